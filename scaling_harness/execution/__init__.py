"""Run each job exactly once: claims, attempts, signals."""
