"""One message after the other, each answered exactly once; the only room that knows the bot's address."""
