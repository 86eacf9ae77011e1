"""A configuration and everything it implies: steps, learning rate, counts, FLOPs, identity."""
