"""Processes of one machine that train the jobs of a sweep."""
