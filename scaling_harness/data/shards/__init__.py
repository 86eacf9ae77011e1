"""Text of any size: tokenised part by part with all cores, kept as shards, resumed after a kill."""
