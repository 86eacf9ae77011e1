"""Turn text into batches of tokens."""
