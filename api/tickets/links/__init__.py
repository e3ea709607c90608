"""Tickets that have to do with each other: what may be one matter, and what was split off."""
