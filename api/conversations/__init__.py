"""Who holds a conversation, what was said in it, and pushing it to whoever watches."""
