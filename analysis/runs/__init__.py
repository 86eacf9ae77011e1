"""Any source of runs, read into one frame."""
