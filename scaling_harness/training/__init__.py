"""Train one job with torch: model, optimizer, evaluation, checkpoint, record."""
