"""Compute-optimal N and D by the three approaches."""
