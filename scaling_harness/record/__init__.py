"""Files that runs leave on disk: records, curves, archives. The only data of training that `analysis` may read."""
