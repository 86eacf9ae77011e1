"""Plan and run many training runs: grids in, one record per run out."""
