"""The assistant's duties in a conversation: what to ask, explain and file. Runs as Rasa's action server."""
