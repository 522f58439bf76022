"""What observability costs: this package and its peers, side by side in one run. `make bench` runs all of it."""
