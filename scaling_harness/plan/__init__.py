"""Resolve a configuration to a plan: steps, learning rate, counts, FLOPs, identity."""
