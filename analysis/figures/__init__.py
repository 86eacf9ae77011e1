"""Figures of an analysis: each function takes data and returns a matplotlib Figure."""
