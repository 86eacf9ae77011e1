"""Measured minus predicted exponents, from runs of a known L(N, S_min) and B_crit(L)."""

import pytest

from analysis.papers.kaplan2020.paired import differences, in_words, of_paper


def test_runs_of_the_truth_have_the_exponents_that_it_predicts(complete):
    """The best size of a grid moves in steps, which the interval has to hold."""
    found = differences(complete, n_draws=20)
    assert list(found) == ["N", "B", "S", "D"]
    for value in found.values():
        assert abs(value.value) < 0.05
        assert value.ci95[0] < value.ci95[1]
    assert found["N"].value + found["D"].value == pytest.approx(0, abs=1e-9)
    assert in_words(found).startswith("N ")
    assert "[" in in_words(found)


def test_the_papers_own_numbers_differ_by_what_literature_says():
    assert of_paper() == pytest.approx({"N": 0.048, "B": -0.010, "S": -0.039, "D": -0.049}, abs=2e-3)
