"""What a planned grid can feed, against what the approaches say of the same grid once it is trained."""

import pandas as pd
import pytest

from analysis.frontier.design import feeds


def grid(sizes, budgets, seeds=1):
    rows = [{"N": n, "D": c / (6 * n), "C": c, "seed": i} for n in sizes for c in budgets for i in range(seeds)]
    return pd.DataFrame(rows)


def test_a_full_grid_feeds_all():
    said = feeds(grid([1e5, 2e5, 4e5, 8e5, 1.6e6], [1e12, 4e12, 1.6e13], seeds=2))
    assert said == {
        "approach 1": "yes: curves of 5 sizes",
        "approach 2": "yes: 3 of 3 budgets",
        "approach 3": "yes: 15 cells of N and D",
        "seed noise": "yes: 15 cells with several seeds",
    }


def test_several_rates_are_no_seeds():
    twice = pd.concat([grid([1e5, 2e5], [1e12])] * 2)
    assert feeds(twice)["seed noise"] == "no: no cell of N and D has two seeds"


def test_four_sizes_are_few_for_a_parabola():
    said = feeds(grid([1e5, 2e5, 4e5, 8e5], [1e12, 4e12, 1.6e13]))
    assert said["approach 2"] == "yes: 3 of 3 budgets, with as few as 4 sizes (5 are better)"
    assert said["seed noise"] == "no: no cell of N and D has two seeds"


@pytest.mark.parametrize(
    ("sizes", "budgets", "approach", "sentence"),
    [
        ([1e5, 2e5, 4e5], [1e12, 4e12, 1.6e13], "approach 1", "no: 3 sizes, it needs 4"),
        (
            [1e5, 2e5, 4e5],
            [1e12, 4e12, 1.6e13],
            "approach 2",
            "no: 0 budgets with 4 sizes, it needs 3 (most sizes at one budget: 3)",
        ),
        ([1e5], [1e12], "approach 3", "no: 1 cell of N and D, it needs more than 5 parameters"),
        ([1e5, 2e5], [1e12, 2e12, 4e12], "approach 3", "no: 2 values of N, it needs 3"),
    ],
)
def test_what_lacks_is_said(sizes, budgets, approach, sentence):
    assert feeds(grid(sizes, budgets))[approach] == sentence
