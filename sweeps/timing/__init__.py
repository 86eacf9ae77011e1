"""Time steps of a sweep, and estimate its cost from them."""
