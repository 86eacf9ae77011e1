"""Run the processes of one machine that train the jobs of a sweep."""
