"""Search settings with equal effort for everything that is compared."""
