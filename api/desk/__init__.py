"""What staff may see and do beyond tickets and conversations."""
