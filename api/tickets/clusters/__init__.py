"""Many complaints about one thing in a short time."""
