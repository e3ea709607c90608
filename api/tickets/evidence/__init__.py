"""Evidence: files that customers and staff add to a matter."""
