"""Fit one law to one table: objective, solver, intervals, and the result."""
