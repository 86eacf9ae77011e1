import numpy as np
import pytest

from analysis.design.candidates import budgets_to_try, candidate_cells
from analysis.design.choose import choose, plain
from analysis.design.precision import Outlook
from analysis.design.target import Target
from scaling_harness.errors import UserError


@pytest.fixture
def cells(known, any_size):
    return candidate_cells(known, budgets_to_try(known.cells, 1e14), any_size, n_sizes=5, seeds=2, alone=True)


@pytest.mark.parametrize("flops", [8e12, 3e13])
def test_a_design_is_affordable_feeds_approach_2_and_beats_plain_grids(known, cells, flops):
    outlook = Outlook.of(known, Target(), cells)
    added = choose(outlook, cells, flops)
    assert 0.8 * flops < added @ cells["C"] <= flops
    assert (added <= cells["room"]).all()
    sizes = cells[added > 0].groupby("budget")["N"].nunique()
    assert len(sizes) >= 3
    assert sizes.min() >= 4
    for largest_first in (False, True):
        grid = plain(cells, flops, largest_first)
        assert grid @ cells["C"] <= flops
        assert outlook.expected(added).total < outlook.expected(grid).total


def test_too_few_flops_sizes_or_budgets_are_refused(known, cells):
    outlook = Outlook.of(known, Target(), cells)
    with pytest.raises(UserError, match="5e\\+11 FLOP are too few for a design: 3 budgets of 4 sizes take"):
        choose(outlook, cells, 5e11)
    two = cells["budget"] < cells["budget"].min() * 3
    with pytest.raises(UserError, match="a design needs 3 budgets of 4 sizes, and within these limits there are 2"):
        choose(Outlook.of(known, Target(), cells[two]), cells[two], 1e13)


def test_a_plain_grid_takes_whole_budgets_again_and_again(cells):
    small = cells["budget"] <= np.sort(cells["budget"].unique())[2]
    cost = cells.loc[small, "C"].sum()
    np.testing.assert_array_equal(plain(cells, cost * 1.001), small.astype(float))
    assert plain(cells[small], 1e99).tolist() == [2.0] * small.sum()
    top = cells["budget"] == cells["budget"].max()
    np.testing.assert_array_equal(
        plain(cells, cells.loc[top, "C"].sum() * 1.001, largest_first=True), top.astype(float)
    )
