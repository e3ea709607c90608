"""The complaint's life: filed once, routed, timed, and told as a thread of events."""
