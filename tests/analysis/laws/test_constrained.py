import re

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.fitting.saved_fit import load_fit
from analysis.forecasting.forecast import forecast
from analysis.forecasting.source import from_fit
from analysis.laws.chinchilla import chinchilla
from analysis.laws.constrained import constrained, hold, parse_values, tie
from analysis.laws.kaplan import Batch, kaplan_lc_offset, kaplan_ln_s, optimal_steps
from analysis.laws.muennighoff import muennighoff
from scaling_harness.errors import HarnessError, UserError


def test_a_law_of_compute_is_found_with_its_floor_held():
    """marin's L(C): 1.6 is assumed, A 94.8 and alpha .094 are fitted; free, the same rows allow any E below."""
    C = np.geomspace(1e18, 1e21, 4)
    frame = pd.DataFrame({"C": C, "L": 1.6 + 94.8 / C**0.094})
    found = fit(hold(kaplan_lc_offset, {"E": 1.6}), frame, resample="none")
    assert found.values["A"] == pytest.approx(94.8, rel=1e-5)
    assert found.values["alpha"] == pytest.approx(0.094, rel=1e-6)
    assert found.values["E"] == 1.6
    assert found.status == "converged"
    assert found.certificate.bounds_hit == ()


@pytest.mark.parametrize("fixed", [{"A": 45.0}, {"E": 1.1, "B": 160.0}, {"alpha": 0.38}, {"E": 1.1, "beta": 0.35}])
def test_what_is_held_at_the_truth_leaves_the_truth_to_be_found(fixed, noise_free, truth):
    found = fit(hold(chinchilla, fixed), noise_free, resample="none")
    for name, value in truth.items():
        assert found.values[name] == pytest.approx(value, rel=1e-5)
    assert {name: found.values[name] for name in fixed} == fixed


def test_no_better_values_of_the_free_parameters_exist(isoflop):
    """The optimum on the profile of E is that of E held there: an independent path through the solver."""
    free = fit("chinchilla", isoflop, resample="none")
    held = fit(hold(chinchilla, {"E": free.values["E"]}), isoflop, resample="none")
    assert held.objective == pytest.approx(free.objective, rel=1e-9)
    assert held.values["alpha"] == pytest.approx(free.values["alpha"], rel=1e-4)
    assert fit(hold(chinchilla, {"E": 1.0}), isoflop, resample="none").objective > free.objective


@pytest.mark.parametrize("resample", ["cases", "residuals", "noise", "sandwich"])
def test_what_is_held_has_no_interval_and_the_rest_has_a_shorter_one(isoflop, resample):
    free, held = (
        fit(law, isoflop, resample=resample, resamples=60) for law in (chinchilla, hold(chinchilla, {"E": 1.1}))
    )
    assert held.params["E"].ci95 is None
    assert (held.draws["E"] == 1.1).all()
    assert held.params["alpha"].stderr < free.params["alpha"].stderr
    assert "E" not in held.checks["stderr_hessian"]
    assert re.search(r"E +1\.1 +held", str(held))


def test_a_floor_of_zero_can_be_held(isoflop):
    found = fit(hold(chinchilla, {"E": 0.0}), isoflop, resamples=20)
    assert found.values["E"] == 0.0
    assert (found.draws["E"] == 0.0).all()
    assert found.values["alpha"] < fit("chinchilla", isoflop, resample="none").values["alpha"]


def test_tied_exponents_are_those_of_the_law_that_has_one(isoflop):
    found, known = (fit(law, isoflop, resample="none") for law in (tie(chinchilla, "alpha", "beta"), "tied"))
    assert found.values == known.values
    assert found.law.formula == known.law.formula
    assert float(found.derived["a"].value) == 0.5


def test_tied_exponents_have_an_optimum_in_steps():
    law = tie(kaplan_ln_s, "alpha", "beta")
    params = {"A": 20.0, "B": 30.0, "alpha": 0.3}
    same = optimal_steps(kaplan_ln_s, {**params, "beta": 0.3}, 1e18, Batch(1e6))
    assert optimal_steps(law, params, 1e18, Batch(1e6)).n_params == pytest.approx(float(same.n_params))
    assert set(law.derived(params)) == {"N_c", "S_c"}


def test_a_saved_fit_keeps_what_was_held_and_tied(isoflop, tmp_path):
    law = constrained(chinchilla, {"E": 1.1}, [("alpha", "beta")])
    found = fit(law, isoflop, resamples=20)
    found.save(tmp_path / "fit.json")
    back = load_fit(tmp_path / "fit.json")
    assert back.law.fixed == {"E": 1.1}
    assert back.values == found.values
    assert str(back) == str(found)
    ours, theirs = (forecast(from_fit(each), train_flops=1e13).quantities["n_params"] for each in (found, back))
    assert ours == theirs


def test_a_size_that_never_varied_can_be_fitted_with_its_exponent_held(truth):
    D = np.geomspace(1e6, 1e9, 9)
    frame = pd.DataFrame({"N": 1e6, "D": D, "L": chinchilla.predict(truth, N=1e6, D=D)})
    with pytest.raises(HarnessError, match="same N"):
        fit("chinchilla", frame, resample="none")
    held = {name: truth[name] for name in ("A", "alpha")}
    assert fit(hold(chinchilla, held), frame, resample="none").values["beta"] == pytest.approx(0.35, rel=1e-5)


def test_repeats_can_be_held(truth):
    rng = np.random.default_rng(0)
    N, D, U = (10 ** rng.uniform(low, high, 40) for low, high in ((6, 9), (8, 11), (7, 9)))
    params = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "R_D": 15.0, "R_N": 5.0}
    frame = pd.DataFrame({"N": N, "D": D, "U": U, "L": muennighoff.predict(params, N=N, D=D, U=U)})
    found = fit(hold(muennighoff, {"R_N": 5.0, "A": 45.0}), frame, resample="none")
    assert found.values["R_D"] == pytest.approx(15.0, rel=1e-4)


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"gamma": 1.0}, "has no 'gamma'"),
        ({"A": -1.0}, "A = -1 cannot be held"),
        ({"alpha": 11.0}, "between 0 and 10"),
        ({"E": float("nan")}, "cannot be held"),
        ({"E": 1.0, "A": 1.0, "B": 1.0, "alpha": 1.0, "beta": 1.0}, "nothing is left to fit"),
    ],
)
def test_what_cannot_be_held_is_said(fixed, words):
    with pytest.raises(UserError, match=words):
        hold(chinchilla, fixed)


@pytest.mark.parametrize(("pair", "words"), [(("A", "B"), "exponents can be tied"), (("alpha", "alpha"), "to itself")])
def test_what_cannot_be_tied_is_said(pair, words):
    with pytest.raises(UserError, match=words):
        tie(chinchilla, *pair)


def test_values_are_read_as_people_write_them():
    assert parse_values("E=1.6, alpha = .34", "--fix") == {"E": 1.6, "alpha": 0.34}
    for text, words in (("E", "write NAME=NUMBER"), ("E=x", "write NAME=NUMBER"), ("E=1,E=2", "E twice")):
        with pytest.raises(UserError, match=f"--fix .*{words}"):
            parse_values(text, "--fix")
