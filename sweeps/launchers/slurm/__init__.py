"""SLURM as a launcher: arrays of tasks, each a node that keeps some workers busy."""
