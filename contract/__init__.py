"""The words that all rooms agree on: shapes and enums, loaded and checked, without behaviour."""
