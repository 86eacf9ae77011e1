import dataclasses

import numpy as np
import pytest

from analysis.frontier.approaches import three_approaches
from analysis.frontier.frontier_line import weighted_line
from analysis.frontier.verdict import UNKNOWN, verdict
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.laws.cost_model import CostModel
from analysis.runs.selection import Runs

BUDGETS = np.geomspace(1e11, 3e12, 5)
LOPSIDED = {"E": 1.0, "A": 300.0, "B": 30.0, "alpha": 0.6, "beta": 0.25}


def sweep(params, drift=1.0, noise=0.0005, bend=0.0):
    """A grid whose centre drifts with C; ``bend`` adds to ln L what no Chinchilla law has."""
    frame = simulate.isoflop(params, BUDGETS, noise=0.0, seeds=3, span=4.0)
    share = np.log(frame.C / BUDGETS[0]) / np.log(BUDGETS[-1] / BUDGETS[0])
    N = frame.N * drift ** (2 * share - 1)
    D = frame.C / (6 * N)
    rng = np.random.default_rng(0)
    tilt = np.exp(bend * np.log(N / N.mean()) * np.log(frame.C / BUDGETS[2]))
    loss = chinchilla.predict(params, N=N, D=D) * tilt * np.exp(noise * rng.standard_normal(len(N)))
    return three_approaches(Runs(frame.assign(N=N, D=D, L=loss)), resamples=200)


@pytest.fixture(scope="module")
def sound():
    return sweep({"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.36, "beta": 0.36}, noise=0.005)


def test_a_sound_sweep_agrees(sound):
    found = verdict(sound)
    assert found.agree is True
    assert found.disagreements == ()
    assert found.sentence.startswith("the approaches agree")
    assert list(found.table.approach) == ["1", "2", "3", "1 hull", "2 akima", "2 corrected"]
    assert found.table.a_low[4] < 0.5 < found.table.a_high[4]


def test_disagreement_by_the_parabolas_bias_is_named_and_its_correction_agrees():
    found = sweep(LOPSIDED, drift=3.0)
    bias = found.differences["2-3"].value
    assert bias == pytest.approx(found.parabola_bias.a, abs=2e-3)
    beyond_noise = dataclasses.replace(found.differences["2-3"], ci95=(bias / 2, 2 * bias))
    said = verdict(dataclasses.replace(found, differences={"2-3": beyond_noise}))
    assert said.agree is False
    assert "parabola's bias on this grid, +0.02" in said.disagreements[0]["cause"]
    assert "2-3 by +0.02" in said.sentence
    assert abs(found.variant_differences["2 corrected"].value) < bias / 10


def test_disagreement_by_a_law_that_misses_something_is_named():
    said = verdict(sweep({"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.36, "beta": 0.36}, bend=0.02))
    assert said.agree is False
    assert "the law misses something" in said.disagreements[0]["cause"]


def test_a_disagreement_without_a_known_cause_says_so(sound):
    apart = dataclasses.replace(sound.differences["2-3"], value=0.5, ci95=(0.4, 0.6))
    said = verdict(dataclasses.replace(sound, differences={"2-3": apart}))
    assert said.disagreements[0]["cause"] == UNKNOWN


def test_one_approach_alone_is_no_agreement(sound):
    said = verdict(dataclasses.replace(sound, differences={}))
    assert said.agree is None
    assert "nothing to compare" in said.sentence


def test_weighted_lines_agree_with_polyfit_and_skip_what_is_missing():
    rng = np.random.default_rng(0)
    x, y, w = np.arange(6.0), rng.normal(size=(3, 6)), rng.uniform(1, 2, 6)
    y[1, 2] = np.nan
    y[2, 1:] = np.nan
    slope, intercept = weighted_line(x, y, w)
    np.testing.assert_allclose((slope[0], intercept[0]), np.polyfit(x, y[0], 1, w=np.sqrt(w)))
    there = np.isfinite(y[1])
    np.testing.assert_allclose((slope[1], intercept[1]), np.polyfit(x[there], y[1][there], 1, w=np.sqrt(w[there])))
    assert np.isnan(slope[2])


def test_agreement_is_not_said_where_a_and_b_do_not_add_up(sound):
    second = sound.approaches["2"]
    torn = dataclasses.replace(second, b=dataclasses.replace(second.b, value=1.1 - second.a.value))
    found = verdict(dataclasses.replace(sound, approaches={**sound.approaches, "2": torn}))
    assert found.agree is False
    assert "a + b is not 1 although C = 6 N D: 1.100 by approach 2" in found.sentence
    assert "the approaches agree" not in found.sentence
    overhead = dataclasses.replace(sound.parametric, cost=CostModel(overhead=150.0, overhead_power=0.25))
    other_cost = dataclasses.replace(sound, approaches={**sound.approaches, "2": torn}, parametric=overhead)
    assert verdict(other_cost).agree is True


def test_a_difference_next_to_nothing_is_no_disagreement_however_small_the_noise(sound):
    tiny = dataclasses.replace(sound.differences["2-3"], value=0.001, ci95=(0.0009, 0.0011))
    found = verdict(dataclasses.replace(sound, differences={"2-3": tiny}))
    assert found.agree is True
    assert "or is below 0.002" in found.sentence
