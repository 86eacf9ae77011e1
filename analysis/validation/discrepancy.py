"""The error of a forecast that no fit can show: the law has another form beyond the budgets fitted."""

TAU = 0.012
"""Standard deviation of that error in ln L, per unit of ln(C / C_max), C_max being the largest compute fitted.

It is 1.7 % at four times the compute. `scaling-harness bench discrepancy` computes it: the tau of lowest mean interval
score of the mixture's forecasts of four times the compute, .012 on public IsoFLOP tables (.011) and simulated sweeps of
five other forms (.014) together. No run of ours is in it, so that it may be used on every tier; the errors of single
laws on the tiers of 2026-11-23 (.3 to 2.2 %) were known when it was made, no interval with it was.
"""
