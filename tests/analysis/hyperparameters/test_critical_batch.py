"""Curves drawn from L(N, S_min) and a known B_crit(L): steps, hyperbolas and B_crit(L) found in them."""

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.hyperparameters.critical_batch import critical_batches
from analysis.hyperparameters.steps_to_loss import first_reach, steps_to_loss
from analysis.laws.critical_batch import min_steps
from analysis.laws.kaplan import kaplan_ln_s
from analysis.runs.selection import Runs
from analysis.to_json import to_json
from scaling_harness.errors import HarnessError, UserError
from tests.analysis.kaplan_truth import BATCHES, LAW, POWER, SCALE, loss_at

SIZES = (3e4, 1e5)


def a_curve(n_params, batch, luck=0.0):
    """Evaluations at log-spaced steps; a lucky run is that much further at all of them."""
    steps = np.geomspace(8, 4e4 * 256 / batch + 2000, 40)
    return steps * batch, np.array([loss_at(n_params, batch, step * np.exp(luck)) for step in steps])


def simulated(noise=0.0, batches=BATCHES, rates=(0.004,), seed=0):
    """Runs of two sizes; rates other than .004 are slower by ln^2."""
    rng, rows, curves = np.random.default_rng(seed), [], {}
    for n_params in SIZES:
        for batch in batches:
            for rate in rates:
                luck = noise * rng.standard_normal() - np.log(rate / 0.004) ** 2
                curves[len(rows)] = a_curve(n_params, batch, luck)
                rows.append({"N": n_params, "batch_tokens": batch, "lr": rate, "seed": 0})
    return Runs(pd.DataFrame(rows)), curves


@pytest.fixture(scope="module")
def exact():
    return simulated()


def test_a_target_is_read_between_evaluations():
    points = (np.array([100.0, 200.0, 400.0]), np.array([4.0, 2.0, 1.0]))
    assert first_reach(points, 2.0) == pytest.approx(200)
    assert first_reach(points, np.sqrt(8.0)) == pytest.approx(np.sqrt(100 * 200))
    assert first_reach(points, 0.5) == "not reached: the lowest loss is 1"
    assert first_reach(points, 5.0) == "reached before the first evaluation, which has 4"


def test_steps_and_b_crit_are_those_of_the_curves(exact):
    found = critical_batches(steps_to_loss(*exact), resamples=20)
    assert found.problem is None
    assert len(found.hyperbolas) == 12
    for each in found.hyperbolas:
        assert each.b_crit.value == pytest.approx(SCALE * each.loss_nats**-POWER, rel=0.02)
    assert found.law.derived["alpha_B"].value == pytest.approx(1 / POWER, rel=0.02)
    assert found.law.values["B_*"] == pytest.approx(SCALE, rel=0.05)
    assert found.notes == ("one learning rate a batch was tried: B_crit is that of these rates, not of the best ones",)


def test_intervals_hold_the_truth_although_losses_share_their_runs():
    """Runs 3 % early or late. Of 60 such sets 97 % hold alpha_B, 92 % B_*, and 95 % of the intervals B_crit."""
    inside, widths = [], []
    for seed in range(4):
        found = critical_batches(steps_to_loss(*simulated(0.03, seed=seed)), resamples=100)
        low, high = found.law.derived["alpha_B"].ci95
        inside += [low < 1 / POWER < high]
        widths += [high - low]
        table = found.table()
        truth = SCALE * table["L"] ** -POWER
        inside += [((table["B_crit_low"] < truth) & (truth < table["B_crit_high"])).mean() > 0.5]
    assert np.mean(inside) > 0.85
    assert np.median(widths) < 0.03


def test_s_min_by_the_measured_b_crit_gives_the_law_of_steps(exact):
    """L(N, S_min) from runs of every batch, each step divided by 1 + B_crit(L)/B."""
    steps = steps_to_loss(*exact)
    law = critical_batches(steps, resamples=2).law
    frame = steps.assign(S=min_steps(steps["S"], steps["B"], law.predict(L=steps["L"])))
    found = fit(kaplan_ln_s, frame, loss="log_squares", resample="cases", resamples=100)
    assert found.values == pytest.approx(LAW, rel=0.05)


def test_the_best_rate_is_taken_and_one_at_an_edge_is_a_bound():
    steps = steps_to_loss(*simulated(rates=(0.002, 0.004, 0.008)), targets=[2.5, 2.0])
    assert set(steps["lr"]) == {0.004}
    assert steps["problem"].isna().all()
    assert np.unique(steps["L"]).tolist() == [2.0, 2.5]
    edge = steps_to_loss(*simulated(rates=(0.004, 0.008)), targets=[2.0])
    assert set(edge["problem"]) == {"an upper bound: the best rate, 0.004, is the lowest of 2 tried"}
    (said,) = {each.problem for each in critical_batches(edge).hyperbolas}
    assert said.startswith("0 of 7 batches give steps: a hyperbola needs 4 (256 tokens: an upper bound: the best rate")


def test_what_gives_no_hyperbola_is_said(exact):
    nowhere = critical_batches(steps_to_loss(*exact, targets=[0.1]))
    assert nowhere.problem == "0 losses have a B_crit: B_crit(L) needs 3"
    assert "256 tokens: not reached: the lowest loss is" in nowhere.hyperbolas[0].problem
    close = critical_batches(steps_to_loss(*simulated(batches=(256, 320, 384, 448))))
    assert close.hyperbolas[0].problem.startswith("batches of 256 to 448 tokens are too close for a hyperbola")
    few = critical_batches(steps_to_loss(*simulated(batches=(256, 2048, 8192))))
    assert few.hyperbolas[0].problem == "3 of 3 batches give steps: a hyperbola needs 4"
    assert to_json(few)["law"] is None


def test_a_batch_that_gives_steps_is_not_among_those_that_do_not(exact):
    steps = steps_to_loss(*exact)
    late = (steps["L"] == steps["L"].iloc[0]) & (steps["N"] == SIZES[0]) & (steps["B"] > BATCHES[2])
    marked = steps.assign(
        problem=pd.array(steps["problem"].mask(late, "never reached"), dtype="str")
    )  # as pandas infers
    said = str(critical_batches(marked, resamples=20).hyperbolas[0].problem)
    assert said.startswith(f"3 of {len(BATCHES)} batches give steps: a hyperbola needs 4 ({BATCHES[3]:g} tokens: never")
    assert "nan" not in said


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([8000.0, 3000, 1000, 300], "steps fall faster than 1/B up to 2048 tokens: S_min, and so B_crit, would be neg"),
        ([500.0, 520, 540, 560], "steps do not fall from 256 tokens on: E_min, and so B_crit, would be negative"),
    ],
)
def test_a_negative_b_crit_is_no_number(steps, said):
    batch = np.array([256.0, 512, 1024, 2048])
    frame = pd.DataFrame({"N": 1e4, "L": 2.0, "B": batch, "S": steps, "n_rates": 3, "problem": None})
    (hyperbola,) = critical_batches(frame).hyperbolas
    assert hyperbola.b_crit is None
    assert hyperbola.problem.startswith(said)


def test_runs_that_cannot_be_read_are_refused(exact):
    runs, curves = exact
    with pytest.raises(UserError, match="all runs have 512 tokens a step"):
        steps_to_loss(Runs(runs.frame[runs.frame["batch_tokens"] == 512]), curves)
    with pytest.raises(UserError, match="no batch_tokens"):
        steps_to_loss(Runs(runs.frame.drop(columns="batch_tokens")), curves)
    with pytest.raises(HarnessError, match="no run has a training curve"):
        steps_to_loss(runs, {})
    with pytest.raises(UserError, match="must be positive"):
        steps_to_loss(runs, curves, targets=[-1.0])
