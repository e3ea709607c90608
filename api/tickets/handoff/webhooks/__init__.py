"""Signed webhooks: who receives what, and each delivery until it arrived or somebody has to look."""
