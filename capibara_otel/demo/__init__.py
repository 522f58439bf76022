"""The demo: an agent backend that does real work on this machine and the traffic that drives it."""
