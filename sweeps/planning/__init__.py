"""Turn a grid into the list of jobs that workers train."""
