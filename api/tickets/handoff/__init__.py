"""What leaves the house: every change of a ticket, at least once, in the ticket's order, under one stable key."""
