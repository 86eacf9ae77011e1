"""The walk from .73 to .50: printed values, steps that are not trained, and counting on a known ladder."""

import numpy as np
import pytest

from analysis.fitting.estimate import Estimate
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError, to_train
from analysis.papers.pearce2024.measured import Exponent
from analysis.papers.reconciliation import TIER, Walk, ladder_change, reconciliation, walk_rows


def figure(name):
    return reconciliation.figures_named([name])[0]


def not_trained(needs):
    if needs:
        raise LackingRunsError(f"not trained: {to_train(needs)}")
    return Walk(())


def exponent(count, slope, wobble):
    C = np.geomspace(1e10, 1e12, 5)
    draws = np.array([1e-3 * C ** (slope + noise) for noise in wobble])
    return Exponent(count, C, C**slope, draws, Estimate(slope), Estimate(slope + 0.01), Estimate(-0.01), 0.0)


def test_the_printed_walk_is_that_of_the_papers():
    table = figure("printed").table(Walk(()))
    printed = table.loc[table["series"] == "printed", "y"]
    assert printed.to_list() == pytest.approx(
        [0.88, 0.73, 0.78, 0.51, 0.835, 0.706, 0.602, 0.571, 0.497, 0.5], abs=1e-3
    )
    said = figure("printed").found(table)
    assert "counting the last layer takes 0.13, the rest 0.21" in said
    drawn(figure("printed"), table)


def test_each_step_that_is_not_trained_says_which_command_trains_it():
    found = {row.law: row for row in walk_rows(not_trained)}
    assert "scaling-harness sweep run porian/steps" in found["Porian 3, warm-up scaled"].comparable
    assert "scaling-harness sweep run pearce/ladder" in found["the same measured, with one matrix of it"].comparable
    assert found["Porian 5, tuned, no decay"].published == "0.497"
    synthetic = found["Pearce and Song, without the vocabulary"]
    assert (synthetic.published, synthetic.ours) == (".78", "0.781, no runs")
    assert {row.ours for row in found.values() if "not measured" in row.comparable} == {"–"}


def test_what_counting_moves_is_the_difference_of_the_same_draws():
    wobble = np.random.default_rng(0).normal(0, 0.05, 100)
    ladder = {"non_embedding": exponent("non_embedding", 0.7, wobble), "with_head": exponent("with_head", 0.5, wobble)}
    moved = ladder_change(ladder)
    assert moved.value == pytest.approx(-0.2)
    assert moved.ci95 == pytest.approx((-0.2, -0.2), abs=1e-6)
    walk = Walk(())
    walk.__dict__["ladder"] = ladder | {"total": exponent("total", 0.48, wobble)}
    table = figure("counting").table(walk)
    assert "takes 0.20 off the exponent (0.70 to 0.50" in figure("counting").found(table)
    drawn(figure("counting"), table)


def test_the_main_experiment_is_counted_three_ways(simulated_sweep, monkeypatch):
    """In the simulated records the three counts are N / 2, N and 2 N: all have one exponent."""
    monkeypatch.setattr("analysis.papers.reconciliation.RESAMPLES", 40)
    walk = Walk((simulated_sweep,))
    table = figure("tiers").table(walk)
    second = table.loc[table["series"] == "approach 2, 95 %", "y"]
    assert second.to_list() == pytest.approx([second.iloc[0]] * 3, abs=1e-3)  # N / 2 is a whole number
    assert "counting moves approach 2 by +0.00, its intervals overlap" in figure("tiers").found(table).replace(
        "-0", "+0"
    )
    row = next(
        row
        for row in walk_rows(lambda needs: walk if needs == TIER else not_trained(needs))
        if row.law.startswith("the main experiment, with one")
    )
    assert f"approach 2 {second.iloc[1]:.2f}" in row.ours
    drawn(figure("tiers"), table)
