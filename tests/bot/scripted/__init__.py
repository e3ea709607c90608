"""What stands in for the other rooms when the bot's shell is tested: an understanding and an action server to script."""
