"""Understanding: pure functions from text to spans and values, and thin Rasa components around them."""
