"""Speed and quality, each one command (`make bench`, `make evaluate`); results stand in benchmarks/README.md."""
