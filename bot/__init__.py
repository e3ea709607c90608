"""The Rasa bot: (state, message) -> (replies, understanding, draft, new state). Python 3.10, never imported elsewhere."""
