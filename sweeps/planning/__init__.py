"""From a grid to the list of jobs that a worker starts from."""
