"""What is known of the runs of a sweep, read from files alone."""
