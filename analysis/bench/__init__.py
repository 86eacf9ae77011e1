"""Measurements of the fitter itself: how fast, and how often its intervals cover the truth."""
