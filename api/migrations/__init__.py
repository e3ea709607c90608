"""The database's schema, step by step; applied at start."""
