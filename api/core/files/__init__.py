"""Files that strangers send: what they are, cleaned of what they should not carry, scanned, and kept encrypted."""
