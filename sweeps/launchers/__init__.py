"""Who starts the workers of a sweep: this machine, or SLURM."""
