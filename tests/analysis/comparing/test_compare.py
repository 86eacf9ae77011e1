import dataclasses
import json

import numpy as np
import pytest

from analysis.comparing.compare import compare, compute_multiplier
from analysis.fitting.fit import fit
from analysis.fitting.saved_fit import describe, load_fit
from analysis.forecasting.source import from_fit, from_params, open_source
from analysis.laws import simulate
from analysis.runs.selection import Runs
from analysis.to_json import to_json
from scaling_harness.errors import HarnessError, UserError

BUDGETS = np.geomspace(1e11, 3e12, 5)
FIRST = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
SECOND = {**FIRST, "alpha": 0.35, "beta": 0.38}


def fitted(params, seed=0, law="chinchilla", scale=1.0, name="fit", **fields):
    frame = simulate.isoflop(params, BUDGETS, seed=seed).assign(**fields)
    runs = Runs(frame.assign(N=frame.N * scale, C=frame.C * scale), count="with_head")
    return from_fit(describe(fit(law, runs, resamples=300), runs, {}), name)


@pytest.fixture(scope="module")
def one():
    return fitted(FIRST, name="one", vocab_size=256, n_ctx=128, data_id="x", recipe="r")


@pytest.fixture(scope="module")
def other():
    return fitted(SECOND, seed=1, name="other", vocab_size=256, n_ctx=128, data_id="x", recipe="r")


def difference(found, quantity):
    return next(d for d in found.differences if d.quantity == quantity)


def test_independent_fits_have_independent_errors(one, other):
    found = compare([one, other])
    a = difference(found, "a")
    assert a.pairing == "independent"
    assert a.estimate.value == pytest.approx(one.exponents["a"].value - other.exponents["a"].value)
    assert a.estimate.stderr == pytest.approx(np.hypot(one.exponents["a"].stderr, other.exponents["a"].stderr), rel=0.1)
    assert {d.quantity for d in found.differences} == {"alpha", "beta", "a", "b"}
    assert found.warnings == ()
    json.dumps(to_json(found), allow_nan=False)


def test_each_side_says_how_much_it_was_tuned(tmp_path, isoflop):
    sides = []
    for name, tuned in (("plain", None), ("tuned", {"by": "pilot", "effort": "12 trials"})):
        (tmp_path / name).mkdir()
        if tuned:
            (tmp_path / name / "tuned.json").write_text(json.dumps(tuned))
        runs = Runs(isoflop, count="with_head")
        source = {"path": str(tmp_path / name)}
        sides.append(from_fit(describe(fit("chinchilla", runs, resamples=20), runs, source), name))
    found = compare([*sides, open_source("published:besiroglu2024")])
    assert list(found.table.tuning) == ["not tuned", "12 trials (tune pilot)", "not known"]


def test_true_differences_are_found_and_absent_ones_are_not(one, other):
    assert difference(compare([one, other]), "a").estimate.value == pytest.approx(-0.03 / 0.73, abs=0.02)
    again = fitted(FIRST, seed=2)
    assert difference(compare([one, again]), "a").apart is False


def test_fits_of_the_same_rows_are_paired_and_n_in_other_units_changes_no_exponent(one):
    doubled = fitted(FIRST, scale=2.0, name="doubled", vocab_size=256, n_ctx=128, data_id="x", recipe="r")
    a = difference(compare([one, doubled]), "a")
    assert a.pairing == "paired"
    assert abs(a.estimate.value) < 1e-6
    assert a.estimate.stderr < one.exponents["a"].stderr / 100


def test_differing_conventions_are_named(one):
    fields = {"vocab_size": 512, "n_ctx": 64, "data_id": "y", "recipe": "s"}
    unlike = dataclasses.replace(one, name="unlike", conventions={"count": "total", "compute": "other", **fields})
    found = compare([one, unlike], train_flops=1e12)
    for name in ("count (with_head against total)", "n_ctx (128 against 64)", "recipe (r against s)", "compute"):
        assert any(f"differ in {name}" in sentence for sentence in found.warnings)
    assert any("vocab_size (256 against 512)" in row["reason"] for row in found.refused)
    assert not any(d.quantity.startswith("ln(C2/C1)") for d in found.differences)


def test_published_constants_are_one_side(one):
    found = compare([one, open_source("published:besiroglu2024"), open_source("published:kaplan2020")])
    against_refit = next(d for d in found.differences if d.second == "published:besiroglu2024" and d.quantity == "a")
    assert against_refit.pairing == "independent"
    assert against_refit.estimate.stderr == pytest.approx(np.hypot(one.exponents["a"].stderr, 0.018), rel=0.1)
    against_kaplan = [d for d in found.differences if d.second == "published:kaplan2020" and d.first == "one"]
    assert {(d.quantity, d.pairing) for d in against_kaplan} == {("a", "one side"), ("b", "one side")}
    assert any("differ in count (with_head against non_embedding)" in sentence for sentence in found.warnings)
    (printed,) = (
        d
        for d in compare([open_source("published:hoffmann2022"), open_source("published:kaplan2020")]).differences
        if d.quantity == "a"
    )
    assert (printed.pairing, printed.apart) == ("no errors", None)


def test_slopes_of_unlike_laws_are_refused(one):
    """Kaplan's alpha is the slope of the total loss, Chinchilla's that of a reducible term (T18)."""
    with pytest.raises(HarnessError, match="slope of the total loss is not that of one reducible term"):
        compare([open_source("published:kaplan2020_ln"), open_source("published:muennighoff2023")])
    with pytest.raises(HarnessError, match="slope of the total loss"):
        compare(
            [
                open_source("published:kaplan2020_ln"),
                dataclasses.replace(one, exponents={"alpha": one.exponents["alpha"]}),
            ]
        )


def test_one_source_is_refused(one):
    with pytest.raises(UserError, match="1 source given"):
        compare([one])


def test_a_recipe_that_saves_half_the_compute_has_multiplier_ln_2(one):
    """N and D scaled so that the same loss takes exactly twice the compute."""
    values = dict(one.values) | {
        "A": one.values["A"] * 2 ** (one.values["alpha"] / 2),
        "B": one.values["B"] * 2 ** (one.values["beta"] / 2),
    }
    shift = {"A": "alpha", "B": "beta"}
    draws = {k: v * 2 ** (one.draws[shift[k]] / 2) if k in shift else v for k, v in one.draws.items()}
    worse = dataclasses.replace(one, name="worse", values=values, draws=draws)
    found = compute_multiplier(one, worse, 1e12)
    assert found.value == pytest.approx(np.log(2))
    np.testing.assert_allclose(found.ci95, np.log(2))
    compared = compare([one, worse], train_flops=1e12)
    assert difference(compared, "ln(C2/C1) at 1e+12 FLOP").pairing == "paired"
    later = difference(compared, "nats off by twice C at 1e+12 FLOP").estimate
    assert later.value < 0  # the worse recipe is where the better was at half the budget, and falls faster
    assert later.ci95[1] < 0


def test_conventions_survive_saving(tmp_path, isoflop):
    runs = Runs(isoflop.assign(vocab_size=256), count="total")
    result = describe(fit("chinchilla", runs, resamples=20), runs, {"path": "somewhere"})
    result.save(tmp_path / "fit.json")
    conventions = from_fit(load_fit(tmp_path / "fit.json")).conventions
    assert conventions["vocab_size"] == "256"
    assert conventions["count"] == "total"
    assert conventions["compute"] == "6ND"
    assert conventions["recipe"] is None


def test_two_laws_of_compute_have_a_compute_for_equal_loss():
    """(A/C)^alpha of one scale and of twice that: the second needs twice the compute for any loss."""
    one, two = (from_params(f"kaplan_lc:A={scale**0.05!r},alpha=0.05") for scale in (3e27, 6e27))
    found = compare([one, two], train_flops=1e21)
    assert difference(found, "ln(C2/C1) at 1e+21 FLOP").estimate.value == pytest.approx(np.log(2), rel=1e-6)
