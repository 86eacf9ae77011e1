"""Explains what was trained: from run records or tables to scaling laws. No torch, no trainer."""
