"""Plumbing without bank words: database, Redis, errors, security, redaction, logging."""
