"""Train ladders of small decoder-only transformers and record the results."""
