"""A law by its prediction alone: derivatives, and the same fit as by the solver's own for sums of powers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

from analysis.fitting.fit import fit
from analysis.laws.batched_law import on_rows
from analysis.laws.chinchilla import chinchilla, skaling
from analysis.laws.constrained import hold
from analysis.laws.general_law import GeneralLaw
from analysis.laws.law import Form, Law, OwnParam
from scaling_harness.errors import HarnessError

RNG = np.random.default_rng(4)
INPUTS = {"N": np.exp(RNG.uniform(12, 20, 30)), "D": np.exp(RNG.uniform(15, 23, 30))}
Z = [(chinchilla, [0.2, 0.1, 0.3, 0.35, 0.4]), (skaling, [0.2, 0.1, 0.3, 0.5, 0.6, -0.7])]


@pytest.mark.parametrize(("law", "z_P"), Z, ids=["chinchilla", "skaling"])
def test_numerical_derivatives_are_those_of_a_sum_of_powers(law, z_P):
    exact, general = on_rows(law, INPUTS), GeneralLaw(law, INPUTS)
    z_KP = np.array(z_P) + RNG.normal(0, 0.05, (2, len(z_P)))
    h_Kn, v_Kn = RNG.uniform(0, 1, (2, 30)), RNG.normal(size=(2, 30))
    at = [model.evaluate(z_KP) for model in (exact, general)]
    jacobians = [model.jacobian(each) for model, each in zip((exact, general), at, strict=True)]
    np.testing.assert_allclose(jacobians[1], jacobians[0], atol=1e-10)
    curvatures = [
        model.curvature(each, J, h_Kn, v_Kn) for model, each, J in zip((exact, general), at, jacobians, strict=True)
    ]
    np.testing.assert_allclose(curvatures[1], curvatures[0], atol=2e-4)
    few = np.arange(0, 30, 3)
    np.testing.assert_array_equal(general.subset(few).evaluate(z_KP).log_loss_Kn, at[1].log_loss_Kn[:, few])


def test_optimum_certificate_and_intervals_are_those_of_the_solver_for_sums_of_powers(isoflop):
    """Every third run of a noisy grid, Huber's loss with its kinks."""
    few = isoflop.iloc[::3]
    found, general = (
        fit(law, few, resamples=40, resample="residuals", starts=8)
        for law in (chinchilla, replace(chinchilla, batched=GeneralLaw))
    )
    assert general.objective == pytest.approx(found.objective, rel=1e-8)
    assert general.values == pytest.approx(found.values, rel=1e-4)
    assert general.params["alpha"].ci95 == pytest.approx(found.params["alpha"].ci95, rel=1e-3)
    assert general.certificate.converged
    assert general.certificate.condition == pytest.approx(found.certificate.condition, rel=1e-4)


hyperbola = Law(
    name="steps",
    formula="S = s + e/(B - b)",
    source="a test",
    terms=(),
    offset=None,
    predicts="S",
    batched=GeneralLaw,
    form=Form(
        predict=lambda _law, p, x: p["s"] + p["e"] / (np.asarray(x["B"]) - p["b"]),
        params={
            "s": OwnParam((1e-3, 1e9), lambda loss: (0.5 * loss.min(), 0.9 * loss.min())),
            "e": OwnParam((1e-3, 1e12), lambda loss: (1e3, 1e5)),
            "b": OwnParam((-500.0, 50.0), lambda loss: (-50.0, 0.0), positive=False),
        },
        inputs=("B",),
    ),
)
BATCHES = np.geomspace(64, 1e4, 16)


def test_a_law_without_power_terms_and_with_a_signed_parameter_is_fitted():
    """By scipy too: relative residuals of the same rows."""
    S = (300 + 2e4 / (BATCHES + 30)) * np.exp(0.003 * RNG.standard_normal(16))
    found = fit(hyperbola, pd.DataFrame({"B": BATCHES, "S": S}), loss="log_squares", resamples=60, profiles=True)
    assert found.status == "converged"
    by_scipy = least_squares(
        lambda p: np.log(p[0] + p[1] / (BATCHES - p[2])) - np.log(S),
        [250.0, 1e4, 0.0],
        x_scale=[1e2, 1e4, 10],
        xtol=1e-14,
    )
    assert list(found.values.values()) == pytest.approx(by_scipy.x, rel=1e-5)
    assert found.params["b"].ci95[0] < -30 < found.params["b"].ci95[1]
    low, high = found.checks["ci95_profile"]["b"]
    assert low < found.values["b"] < high < 0
    assert found.predict(B=100.0) == pytest.approx(found.values["s"] + found.values["e"] / (100 - found.values["b"]))


def test_its_parameters_are_held_and_its_inputs_must_vary():
    frame = pd.DataFrame({"B": BATCHES, "S": 300 + 2e4 / (BATCHES + 30)})
    found = fit(hold(hyperbola, {"s": 300.0}), frame, resample="none")
    assert found.values == pytest.approx({"s": 300.0, "e": 2e4, "b": -30.0}, rel=1e-5)
    with pytest.raises(HarnessError, match="all runs have the same B = 256"):
        fit(hyperbola, frame.assign(B=256.0), resample="none")


def test_a_prediction_that_is_no_number_is_a_bad_one_not_an_error():
    model = GeneralLaw(hyperbola, {"B": np.array([10.0, 100.0])})
    z = model.to_internal({"s": 1.0, "e": 100.0, "b": 40.0})
    log_loss = model.evaluate(z[None]).log_loss_Kn[0]
    assert np.isfinite(log_loss).all()
    assert log_loss[0] > 100
