import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.forecasting.doubling import batch_doublings, doublings
from analysis.laws.constrained import hold
from analysis.laws.kaplan import kaplan_lc
from analysis.laws.loglinear import loglinear
from scaling_harness.errors import HarnessError

POWERS = {"A": 30.0, "alpha": 0.1, "beta": 0.05, "gamma": 0.2}


@pytest.fixture(scope="module")
def loose():
    frame = pd.DataFrame(np.exp(np.random.default_rng(0).normal(12, 1, (30, 3))), columns=["N", "C", "D"])
    return frame.assign(L=loglinear.predict(POWERS, **frame))


def changes(rows):
    return {(row.doubled, row.with_it): row.change.value for row in rows}


def test_of_a_power_law_each_doubling_is_two_to_its_exponent(loose):
    found = changes(doublings(fit(loglinear, loose, resamples=10)))
    assert found == pytest.approx(
        {
            ("N", "no other input"): 2**-0.1 - 1,
            ("C", "no other input"): 2**-0.05 - 1,
            ("D", "no other input"): 2**-0.2 - 1,
            ("N", "C, as k N D"): 2**-0.15 - 1,
            ("D", "C, as k N D"): 2**-0.25 - 1,
        },
        rel=1e-6,
    )


def test_what_is_held_is_not_doubled(loose):
    follows = loose.assign(C=6 * loose["N"] * loose["D"])
    held = fit(hold(loglinear, {"beta": 0.0}), follows.assign(L=loglinear.predict(POWERS, **follows[["N", "C", "D"]])))
    found = doublings(held)
    assert [row.doubled for row in found] == ["N", "D"]
    assert found[0].change.value == pytest.approx(2**-0.15 - 1)  # C goes with N and D: its effect is in theirs
    assert found[0].change.ci95[0] <= found[0].change.value


def test_of_chinchillas_law_the_best_split_buys_more_than_either_alone(isoflop):
    result = fit("chinchilla", isoflop, resamples=20)
    by_n, by_d, split = doublings(result)
    assert split.doubled == "C, split at best"
    assert split.change.value < min(by_n.change.value, by_d.change.value) < 0
    best = [float(result.optimal(factor * isoflop["C"].max()).loss_nats) for factor in (1, 2)]
    assert split.change.value == pytest.approx(best[1] / best[0] - 1)
    assert split.change.ci95[0] < split.change.value < split.change.ci95[1]


def test_of_a_law_in_compute_there_is_one(isoflop):
    (row,) = doublings(fit(kaplan_lc, isoflop, resample="none"))
    assert (row.doubled, row.change.ci95) == ("C", None)


def test_twice_the_critical_batch_saves_a_quarter_of_the_steps_for_half_more_tokens():
    steps, tokens = batch_doublings(1e4, 1e4)
    assert (steps.of, steps.change.value) == ("steps", pytest.approx(-0.25))
    assert (tokens.of, tokens.change.value) == ("tokens", pytest.approx(0.5))


def test_exponents_alone_and_runs_of_unknown_extent_buy_nothing():
    with pytest.raises(HarnessError, match="has no law of the loss"):
        doublings("published:porian2024")
    with pytest.raises(HarnessError, match="does not say what C its runs span"):
        doublings("published:kaplan2020_lc_min")
