"""Runs as wandb shows them: copied when they are done, followed while they train, read back from its offline files."""
