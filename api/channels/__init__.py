"""Where customers come in: prove who sent it, parse, de-duplicate, hand on, reply."""
