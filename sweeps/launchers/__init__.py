"""Start the workers of a sweep: on this machine, on SLURM, or on Ray."""
