"""Compare fits and runs side by side."""
