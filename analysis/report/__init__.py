"""Write one page about a sweep."""
