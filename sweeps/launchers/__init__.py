"""Start the workers of a sweep, on this machine or on SLURM."""
