import numpy as np
import pytest

from analysis.design.candidates import budgets_to_try, candidate_cells
from scaling_harness.errors import UserError


def test_budgets_are_those_so_far_and_two_doublings(known):
    budgets = budgets_to_try(known.cells, 1e14)
    so_far = np.unique(known.cells["C"].round(-8))
    np.testing.assert_allclose(budgets[:5], so_far, rtol=0.06)
    np.testing.assert_allclose(budgets[5:] / budgets[4], [2, 4])
    assert budgets_to_try(known.cells, 3.1e12).max() <= 3.1e12
    with pytest.raises(UserError, match="1e\\+09 FLOP are too few for a design: the smallest budget so far is 1e\\+11"):
        budgets_to_try(known.cells, 1e9)


def test_cells_stay_within_the_band_the_seeds_and_the_tokens(known, any_size):
    budgets, least = budgets_to_try(known.cells, 1e14), 1e6
    cells = candidate_cells(known, budgets, any_size, band=2.0, seeds=4, tokens=(least, 1e8))
    new = cells[cells["room"] > 0]
    best = known.law.law.optimal(known.law.params, new["budget"].to_numpy()).n_params
    assert (np.abs(np.log(new["N"] / best)) < np.log(2.1)).all()
    assert (new["D"] > 0.98 * least).all()
    assert (new["so_far"] + new["room"]).max() == 4
    assert cells["so_far"].sum() == known.cells["n_seeds"].sum()
    assert (cells.groupby("budget")["N"].nunique() >= 4).all()


def test_alone_the_runs_so_far_do_not_count(known, any_size):
    cells = candidate_cells(known, budgets_to_try(known.cells, 1e14), any_size, alone=True)
    assert (cells["so_far"] == 0).all()
    assert (cells["room"] == 4).all()
