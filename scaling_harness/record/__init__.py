"""What a run leaves on disk: its record, curve and store. All that `analysis` may read; standard library only."""
