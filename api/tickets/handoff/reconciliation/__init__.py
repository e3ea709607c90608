"""Every night: did what happened leave the house, and did it arrive? What is missing is sent again under its old id."""
