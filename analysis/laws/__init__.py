"""Scaling laws, each one short definition, and published constants."""
