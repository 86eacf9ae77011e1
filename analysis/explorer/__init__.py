"""One page to explore laws by hand: budget, inference, counts of N, and how a fit depends on precision and noise."""
