"""Architectures: what they count, and the modules they build."""
