import numpy as np

from analysis.runs.budgets import budget_groups


def test_budgets_are_grouped_by_relative_distance():
    flops = np.array([1e12, 2.4e12, 1.02e12, 1.5e12, 0.99e12])
    assert [sorted(rows.tolist()) for rows in budget_groups(flops)] == [[0, 2, 4], [3], [1]]
