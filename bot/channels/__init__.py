"""The one door into the bot."""
