"""Training measured: a plain baseline, and our trainer beside it on the same machine."""
