"""Search for the best settings with equal effort for everything that is compared."""
