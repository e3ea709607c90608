"""Sets up, starts, supervises and tests the whole stack on one machine (`make run`, `make test`)."""
