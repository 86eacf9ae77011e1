"""Runs left out: by the closed form of least squares, with seeds kept together, and of a law that overfits."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.objective import Objective
from analysis.laws.chinchilla import chinchilla
from analysis.laws.loglinear import loglinear
from analysis.to_json import to_json
from analysis.validation.cross_validation import cross_validate
from scaling_harness.errors import HarnessError, UserError

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def loose():
    """N, C and D that vary separately, and a log-linear loss with noise."""
    logs = RNG.normal(0, 1, (24, 3))
    frame = pd.DataFrame(np.exp(10 + logs), columns=["N", "C", "D"])
    return frame.assign(L=loglinear.predict({"A": 30, "alpha": 0.1, "beta": -0.05, "gamma": 0.2}, **frame))


def test_leaving_one_out_is_the_residual_over_one_minus_leverage(loose):
    log_loss = np.log(loose["L"].to_numpy()) + 0.02 * RNG.standard_normal(24)
    X = np.column_stack([np.ones(24), np.log(loose[["N", "C", "D"]])])
    Q, _ = np.linalg.qr(X)
    hat = (Q**2).sum(axis=1)
    residuals = log_loss - Q @ (Q.T @ log_loss)
    found = cross_validate(loose.assign(L=np.exp(log_loss)), loglinear)
    errors = np.expm1(-residuals / (1 - hat))
    assert found.leave_one_out.rms == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
    assert found.leave_one_out.mean == pytest.approx(errors.mean(), rel=1e-5)
    assert found.fitted_rms == pytest.approx(np.sqrt((np.expm1(-residuals) ** 2).mean()), rel=1e-6)
    assert found.leave_one_out.parts == 24
    assert found.folds.parts == 10
    assert found.fitted_rms < found.folds.rms < 2 * found.fitted_rms
    assert "each cell in turn" in found.sentence()
    json.dumps(to_json(found), allow_nan=False)


def test_seeds_of_a_cell_are_left_out_together(loose):
    """Three copies of every cell, each cell off by its own amount: a copy that stays would give the amount away."""
    off = 0.05 * RNG.standard_normal(24)
    one = loose.assign(L=loose["L"] * np.exp(off))
    single, tripled = (cross_validate(frame, loglinear) for frame in (one, pd.concat([one] * 3)))
    assert tripled.n_cells == 24
    assert tripled.leave_one_out.rms == pytest.approx(single.leave_one_out.rms, rel=1e-6)


def test_a_fit_with_few_runs_to_spare_misses_what_it_has_not_seen(isoflop):
    few = isoflop.groupby(["N", "D"]).head(1).iloc[::6]
    found = cross_validate(few, chinchilla, folds=4, objective=Objective())
    assert found.leave_one_out.rms > 2 * found.fitted_rms


def test_weights_count(loose):
    noisy = loose.assign(L=loose["L"] * np.exp(0.05 * RNG.standard_normal(24)))
    weights = np.where(np.arange(24) < 12, 1.0, 1e-6)
    assert cross_validate(noisy, loglinear, weights=weights).folds != cross_validate(noisy, loglinear).folds


def test_too_few_folds_or_cells_are_refused(loose):
    with pytest.raises(UserError, match="folds is 1: give 2 or more"):
        cross_validate(loose, loglinear, folds=1)
    with pytest.raises(
        HarnessError, match="5 cells are too few to leave one out of a fit of 4 parameters: give at least 6"
    ):
        cross_validate(loose.head(5), loglinear)
