"""Check whether a law can be believed: held-out budgets, rankings, influence."""
