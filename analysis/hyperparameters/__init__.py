"""Learning rates, batches and gradient noise across N and D."""
