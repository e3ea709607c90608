"""Personal data through its life: consent, retention, what a person may ask for, and its end."""
