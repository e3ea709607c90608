"""What clocks leave in the database: the policies that they were counted by, and what was told of them."""
