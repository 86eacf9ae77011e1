"""Predict with a law: the best N and D of a budget, and the compute that a loss takes."""
