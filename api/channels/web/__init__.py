"""The web widget's channel (api.md, Customer)."""
