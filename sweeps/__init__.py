"""Plan and run many training runs: grids in, one record a run out."""
