import dataclasses

import numpy as np
import pytest

from analysis.design import replay as replaying
from analysis.design.replay import RULES, Task, full_pool, pilot_of, replay, simulated, trained
from analysis.design.target import Target
from scaling_harness.errors import UserError


def test_waves_spend_what_they_may_and_see_no_more(isoflop):
    task = Task(Target(), wave_flops=1.5e13, n_waves=2)
    first = pilot_of(isoflop)
    waves = list(replay(isoflop, first, task, RULES["design"]))
    start = isoflop["C"][first].sum()
    assert [wave.spent_flops <= start + k * 1.5e13 for k, wave in enumerate(waves)] == [True] * 3
    assert waves[2].spent_flops > waves[1].spent_flops > waves[0].spent_flops
    other = isoflop.assign(L=np.where(first, isoflop["L"], 9.0))
    assert next(replay(other, first, task, RULES["design"])) == waves[0]


def test_waves_end_at_the_tolerance(isoflop):
    loose = Task(Target(), 1.5e13, 4, tolerance=0.5)
    assert len(list(replay(isoflop, pilot_of(isoflop), loose, RULES["design"]))) == 1


def test_every_rule_ends_at_the_whole_pool(isoflop):
    table = trained(isoflop, Task(Target(), 1e15, 1))
    ends = table[table["wave"] == 1]
    assert set(ends["rule"]) == set(RULES)
    assert ends["n_runs"].tolist() == [len(isoflop)] * 3
    np.testing.assert_allclose(ends["error"], 0, atol=1e-9)


def test_simulated_sweeps_are_scored_against_their_truth(known, monkeypatch):
    monkeypatch.setattr(replaying, "RULES", {"design": RULES["design"]})
    pool = full_pool(known.truths[0], [1e11, 2e11, 4e11, 8e11], n_sizes=4, seeds=2)
    one = dataclasses.replace(known, truths=known.truths[1:2])
    scores = simulated(pool, one, Task(Target(), 5e12, 1), n_sweeps=1)
    assert scores["truth"].tolist() == ["skaling", "skaling"]
    assert (scores["held"] == (scores["rmse"] <= scores["total"])).all()
    assert scores["total"].iloc[1] < scores["total"].iloc[0]


def test_a_pool_of_three_budgets_leaves_nothing_to_choose(isoflop):
    with pytest.raises(UserError, match="the runs have 3 budgets, and the 3 smallest are the pilot"):
        pilot_of(isoflop[isoflop["C"] < 6e11])
