"""A million tickets and what staff do with them, measured over HTTP: `make bench-tickets`."""
