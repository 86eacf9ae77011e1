"""Measure training speed and sweep overhead against plain baselines."""
