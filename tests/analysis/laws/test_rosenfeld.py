"""Rosenfeld's envelope: equation 5 as printed, its redundant parameter, its limits, its optimum, and fits of it."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares, minimize_scalar

from analysis.fitting.fit import fit
from analysis.fitting.saved_fit import load_fit
from analysis.forecasting.doubling import doublings
from analysis.forecasting.forecast import forecast
from analysis.laws.chinchilla import chinchilla
from analysis.laws.constrained import hold
from analysis.laws.law import derive
from analysis.laws.rosenfeld import envelope, from_paper, joint_of, rosenfeld

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35, "L_0": 5.545}
PRINTED = {"a": 90.0, "alpha": 0.35, "b": 30.0, "beta": 0.4, "c_inf": 0.8, "eps_0": 5.0, "eta": 7.0}
RNG = np.random.default_rng(0)
N, D = np.exp(RNG.uniform(np.log(1e3), np.log(1e6), 40)), np.exp(RNG.uniform(np.log(1e4), np.log(1e8), 40))


def printed(p, n_params, n_tokens):
    """Equations 4 and 5 as they stand, in complex numbers."""
    joint = p["a"] * n_tokens ** -p["alpha"] + p["b"] * n_params ** -p["beta"] + p["c_inf"]
    return p["eps_0"] * np.abs(joint / (joint - 1j * p["eta"]))


def test_the_law_is_the_printed_one():
    loss = rosenfeld.predict(from_paper(PRINTED), N=N, D=D)
    np.testing.assert_allclose(loss, printed(PRINTED, N, D), rtol=1e-12)


def test_no_runs_tell_eta_from_the_scale_of_the_joint_form():
    scaled = {name: value * (3.7 if name in ("a", "b", "c_inf", "eta") else 1) for name, value in PRINTED.items()}
    np.testing.assert_allclose(printed(scaled, N, D), printed(PRINTED, N, D), rtol=1e-12)
    assert from_paper(scaled) == pytest.approx(from_paper(PRINTED))


def test_it_ends_at_a_guess_and_at_e_and_is_chinchillas_law_far_below_a_guess():
    assert rosenfeld.predict(TRUTH, N=1e-6, D=1e-6) == pytest.approx(TRUTH["L_0"], rel=1e-6)
    assert rosenfeld.predict(TRUTH, N=1e40, D=1e40) == pytest.approx(TRUTH["E"], rel=1e-9)
    far = {**TRUTH, "L_0": 1e5}
    np.testing.assert_allclose(rosenfeld.predict(far, N=N, D=D), chinchilla.predict(TRUTH, N=N, D=D), rtol=1e-4)
    np.testing.assert_allclose(envelope(joint_of([1.0, 4.9], 5.0), 5.0), [1.0, 4.9], rtol=1e-12)
    assert derive(rosenfeld, TRUTH)["c_inf"] == pytest.approx(1.1 / np.sqrt(1 - (1.1 / 5.545) ** 2))


def test_its_optimum_is_the_minimum_on_the_isoflop_line():
    def loss(log_n):
        return float(rosenfeld.predict(TRUTH, N=np.exp(log_n), D=1e12 / 6 / np.exp(log_n)))

    found = minimize_scalar(loss, bounds=(8, 18), method="bounded", options={"xatol": 1e-10})
    assert np.log(rosenfeld.optimal(TRUTH, 1e12).n_params) == pytest.approx(found.x, abs=1e-5)


@pytest.fixture(scope="module")
def noisy():
    L = rosenfeld.predict(TRUTH, N=N, D=D) * np.exp(0.005 * RNG.standard_normal(40))
    return pd.DataFrame({"N": N, "D": D, "C": 6 * N * D, "L": L})


@pytest.fixture(scope="module")
def fitted(noisy):
    return fit("rosenfeld", noisy, loss="log_squares", resamples=60, starts=8)


def test_its_fit_is_scipys_minimum_and_holds_the_truth(noisy, fitted):
    def residuals(z):
        params = dict(zip(rosenfeld.params, [*np.exp(z[:3]), z[3], z[4], np.exp(z[5])], strict=True))
        return np.log(rosenfeld.predict(params, N=N, D=D) / noisy["L"].to_numpy())

    start = [0.0, 3.0, 5.0, 0.3, 0.3, 2.0]
    by_scipy = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert fitted.objective == pytest.approx(by_scipy.cost, rel=1e-8)
    assert fitted.status == "converged"
    for name, truth in TRUTH.items():
        value, stderr = fitted.params[name].value, fitted.params[name].stderr
        assert abs(value - truth) < 3 * stderr, name
    assert fitted.objective < 0.1 * fit("chinchilla", noisy, loss="log_squares", resample="none").objective


def test_a_known_guess_is_held(noisy):
    held = fit(hold(rosenfeld, {"L_0": TRUTH["L_0"]}), noisy, loss="log_squares", resamples=20, starts=4)
    assert held.values["L_0"] == TRUTH["L_0"]
    assert held.params["L_0"].ci95 is None
    assert held.values["alpha"] == pytest.approx(TRUTH["alpha"], abs=0.03)


def test_runs_far_from_a_guess_say_so(noise_free):
    found = fit("rosenfeld", noise_free, resample="none", starts=4)
    assert "L_0" in found.certificate.bounds_hit
    assert any("L_0 stopped at its upper bound, 1000" in sentence for sentence in found.warnings)


def test_a_saved_fit_is_read_and_forecasts(fitted, tmp_path):
    fitted.save(tmp_path / "fit.json")
    read = load_fit(tmp_path / "fit.json")
    said = forecast(read, train_flops=1e14)
    assert said.quantities["loss_nats"].value == pytest.approx(float(fitted.optimal(1e14).loss_nats))
    assert said.regret.wasted_compute.value >= 0
    assert [row.doubled for row in doublings(read)] == ["N", "D", "C, split at best"]
