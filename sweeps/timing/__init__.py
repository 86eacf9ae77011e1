"""Measured speed: timed steps of a sweep, and what it will cost by them."""
