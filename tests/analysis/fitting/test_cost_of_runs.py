"""The cost model of a table is found again, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.cost_of_runs import cost_of, cost_sentences
from analysis.laws.cost_model import SIX_ND, CostModel
from analysis.laws.simulate import isoflop

GRID = [(n, d) for n in np.geomspace(1e7, 1e9, 6) for d in np.geomspace(1e9, 1e11, 5)]


def table(cost=SIX_ND, scale=1.0, noise=0.0):
    """Sizes and tokens with their C, times a constant and noise."""
    frame = pd.DataFrame(GRID, columns=["N", "D"])
    rng = np.random.default_rng(0)
    return frame.assign(C=scale * cost.flops(frame.N, frame.D) * np.exp(noise * rng.standard_normal(len(frame))))


@pytest.mark.parametrize(
    "cost",
    [
        CostModel(k=7.0),
        CostModel(overhead=150.0, overhead_power=0.25),
        CostModel(overhead=2e3, overhead_power=0.5, side=-1),
        CostModel(k=8.0, overhead=1e4, overhead_power=0.6),
        CostModel(k=9.0, n_power=0.9, d_power=1.05),
    ],
    ids=lambda cost: cost.formula,
)
def test_a_cost_is_found_again(cost):
    frame = table(cost)
    found = cost_of(frame)
    np.testing.assert_allclose(found.flops(frame.N, frame.D), frame.C, rtol=2e-3)
    np.testing.assert_allclose(found.flops(3e9, 3e11), cost.flops(3e9, 3e11), rtol=5e-3)
    assert found.formula in cost_sentences(found)[0]


def test_6nd_within_a_few_per_cent_is_6nd_and_says_nothing():
    frame = table(noise=0.01)
    assert cost_of(frame) == SIX_ND
    assert cost_sentences(cost_of(frame)) == []
    assert cost_of(frame.drop(columns="C")) == SIX_ND


def test_noise_is_part_of_the_error():
    found = cost_of(table(CostModel(overhead=150.0, overhead_power=0.25), noise=0.1))
    assert 0.08 < found.rms_error < 0.12
    assert f"rms error {found.rms_error:.2%}" in cost_sentences(found)[0]
    assert any("scatters" in sentence for sentence in cost_sentences(found))


def test_one_wrong_row_is_pointed_at_and_moves_nothing():
    frame = table()
    frame.loc[12, "C"] *= 2
    found = cost_of(frame)
    assert (found.k, found.proportional) == (6.0, True)
    assert "look at the rows that are off" in cost_sentences(found)[0]


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (1 / 8.64e19, r"looks like PF-days, .* C=COLUMN\*8.64e\+19"),
        (1e-18, "looks like EFLOP"),
        (1e-5, "in another unit"),
        (0.5, "multiply-adds"),
        (1 / 3, "forward pass alone"),
    ],
)
def test_another_unit_is_named(scale, words):
    sentences = cost_sentences(cost_of(table(scale=scale)))
    assert pd.Series(sentences).str.contains(words).any()


def test_budgets_are_those_of_the_runs_or_their_range():
    frame = isoflop({"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}, np.geomspace(1e11, 3e12, 5))
    found = cost_of(frame.assign(C=frame.C * 1.3))
    np.testing.assert_allclose(found.budgets, 1.3 * np.geomspace(1e11, 3e12, 5), rtol=1e-6)
    spread = cost_of(table(CostModel(k=7.0)))
    assert len(spread.budgets) >= 3
