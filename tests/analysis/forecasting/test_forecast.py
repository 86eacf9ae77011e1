import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from analysis.fitting.fit import fit
from analysis.forecasting.forecast import decades_beyond, forecast
from analysis.forecasting.inverse import compute_for_loss
from analysis.forecasting.source import from_fit, from_params, open_source
from analysis.laws.chinchilla import chinchilla
from analysis.to_json import to_json
from scaling_harness.errors import HarnessError, UserError


@pytest.fixture(scope="module")
def fitted():
    from analysis.laws import simulate

    truth = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
    frame = simulate.isoflop(truth, np.geomspace(1e11, 3e12, 5))
    return from_fit(fit("chinchilla", frame, resamples=200))


def value(found, name):
    return found.quantities[name].value


@pytest.mark.parametrize(
    ("name", "flops", "n", "d", "ratio", "loss"),
    [
        ("besiroglu2024", 1e21, 2.778e9, 5.999e10, 21.59, 2.3055),
        ("besiroglu2024", 5.76e23, 7.225e10, 1.329e12, 18.39, 1.9744),
        ("hoffmann2022", 1e21, 2.215e9, 7.526e10, 33.98, None),
        ("hoffmann2022", 5.76e23, 4.031e10, None, 59.08, None),
    ],
)
def test_budgets_of_the_literature_come_out(name, flops, n, d, ratio, loss):
    found = forecast(open_source(f"published:{name}"), train_flops=flops)
    assert value(found, "n_params") == pytest.approx(n, rel=1e-3)
    assert value(found, "tokens_per_param") == pytest.approx(ratio, rel=1e-3)
    if d:
        assert value(found, "n_tokens") == pytest.approx(d, rel=1e-3)
    if loss:
        assert value(found, "loss_nats") == pytest.approx(loss, abs=1e-4)
    assert found.quantities["n_params"].ci95 is None
    assert any("no intervals" in sentence for sentence in found.warnings)


def test_the_optimum_is_where_a_numeric_search_finds_it():
    source = open_source("published:besiroglu2024")
    found = forecast(source, train_flops=1e22)

    def loss(log_n):
        return float(chinchilla.predict(source.values, N=np.exp(log_n), D=1e22 / 6 / np.exp(log_n)))

    best = minimize_scalar(loss, bounds=(15, 30), method="bounded", options={"xatol": 1e-9})
    assert value(found, "n_params") == pytest.approx(np.exp(best.x), rel=1e-5)
    for each in found.wrong_sizes:
        there = value(found, "loss_nats") + each.extra_loss_nats.value
        assert there == pytest.approx(loss(best.x + np.log(each.factor)))
    assert [each.factor for each in found.wrong_sizes] == [1 / 3, 1 / 2, 2, 3]


def test_a_size_off_by_a_factor_costs_what_the_closed_form_says(fitted):
    """At the optimum the two terms are as beta to alpha: L(f) - E = (L - E) (beta f^-alpha + alpha f^beta) / (sum)."""
    found = forecast(fitted, train_flops=1e14)
    alpha, beta, E = (fitted.values[name] for name in ("alpha", "beta", "E"))
    for each in found.wrong_sizes:
        raised = (beta * each.factor**-alpha + alpha * each.factor**beta) / (alpha + beta)
        extra = (value(found, "loss_nats") - E) * (raised - 1)
        assert each.extra_loss_nats.value == pytest.approx(extra, rel=1e-9)
        assert each.wasted_compute.value == pytest.approx(1 - raised ** (-(alpha + beta) / (alpha * beta)), rel=1e-9)
        assert each.n_params * each.n_tokens == pytest.approx(1e14 / 6)
        low, high = each.extra_loss_nats.ci95
        assert low < each.extra_loss_nats.value < high
    document = to_json(found)["cost_of_choice"]
    assert document["wrong_sizes"][0]["wasted_compute"]["ci95"]
    assert 0 < document["expected_regret"]["extra_loss_nats"]["value"] < 0.02


def test_resamples_without_an_optimum_are_counted_and_left_out(fitted):
    flat = {name: values.copy() for name, values in fitted.draws.items()}
    flat["alpha"][:2] = flat["beta"][:2] = 0.0
    found = forecast(dataclasses.replace(fitted, draws=flat), train_flops=1e14)
    assert any("1.0% of the resamples have no optimum" in sentence for sentence in found.warnings)
    assert np.isfinite(found.quantities["n_params"].ci95).all()
    assert np.isfinite(found.regret.extra_loss_nats.value)
    json.dumps(to_json(found), allow_nan=False)


def test_loss_and_size_invert_the_budget():
    source = open_source("published:besiroglu2024")
    there = forecast(source, train_flops=3e20)
    for question in ("loss", "n_params", "n_tokens"):
        name = "loss_nats" if question == "loss" else question
        back = forecast(source, **{question: value(there, name)})
        assert value(back, "train_flops") == pytest.approx(3e20, rel=1e-6)
        assert value(back, "tokens_per_param") == pytest.approx(value(there, "tokens_per_param"), rel=1e-6)


def test_compute_for_a_loss_is_the_closed_form():
    source = open_source("published:besiroglu2024")
    p = source.values
    G = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    gamma = p["alpha"] * p["beta"] / (p["alpha"] + p["beta"])
    reducible = p["A"] * G ** -p["alpha"] + p["B"] * G ** p["beta"]
    expected = 6 * (reducible / (2.1 - p["E"])) ** (1 / gamma)
    point = {name: np.array([x]) for name, x in p.items()}
    assert compute_for_loss(source, point, 2.1)[0] == pytest.approx(expected, rel=1e-9)


def test_a_shape_gives_its_loss_and_compute(fitted):
    found = forecast(fitted, n_params=1e5, n_tokens=1e6)
    assert value(found, "train_flops") == 6e11
    assert value(found, "loss_nats") == pytest.approx(float(chinchilla.predict(fitted.values, N=1e5, D=1e6)))
    low, high = found.quantities["loss_nats"].ci95
    assert low < value(found, "loss_nats") < high
    assert found.decades_beyond == 0


def test_distance_beyond_the_fit_is_in_decades_of_the_worst_input(fitted):
    (_, n), (_, d) = (fitted.input_ranges[name] for name in ("N", "D"))
    assert decades_beyond(fitted, {"N": 10 * n, "D": d}) == pytest.approx(1.0)
    assert decades_beyond(fitted, {"N": n / 2, "D": d}) == 0.0


def test_distance_counts_compute_though_n_and_d_are_within_the_runs():
    """Public runs up to 3e21 FLOP, whose N and D of 1e23 were trained, each with little of the other."""
    N, C = (values.ravel() for values in np.meshgrid(np.geomspace(1e7, 1e12, 8), np.geomspace(6e18, 3e21, 4)))
    law = {"E": 2.69, "A": 1606.4, "B": 3210.7, "alpha": 0.34, "beta": 0.36}
    frame = pd.DataFrame({"N": N, "D": C / (6 * N), "C": C})
    frame["L"] = chinchilla.predict(law, N=frame.N, D=frame.D)
    for runs in (frame, frame.drop(columns="C")):
        source = from_fit(fit("chinchilla", runs, resample="none"))
        near, far = (forecast(source, train_flops=c) for c in (1e23, 1e24))
        assert near.decades_beyond == pytest.approx(1.52, abs=5e-3)
        assert far.decades_beyond == pytest.approx(2.52, abs=5e-3)
        assert not any("decades beyond" in sentence for sentence in near.warnings)
        assert any("decades beyond" in sentence for sentence in far.warnings)


def test_a_fit_without_n_or_c_says_nothing_of_compute():
    frame = pd.DataFrame({"D": np.geomspace(1e6, 1e9, 8)}).assign(L=lambda f: 2 + 500 / f.D**0.4)
    assert set(fit("kaplan_ld_offset", frame, resample="none").input_ranges) == {"D"}


def test_intervals_are_percentiles_of_the_draws_and_widen_with_distance(fitted):
    near, far = (forecast(fitted, train_flops=c) for c in (1e12, 1e20))
    draws = chinchilla.optimal(fitted.draws, 1e12).n_params
    np.testing.assert_allclose(near.quantities["n_params"].ci95, np.percentile(draws, [2.5, 97.5]))

    def width(found):
        low, high = found.quantities["n_params"].ci95
        return high / low

    assert width(far) > width(near)
    assert near.decades_beyond == 0
    assert near.warnings == fitted.notes
    assert far.decades_beyond > 2
    assert any("decades beyond the runs" in sentence for sentence in far.warnings)
    json.dumps(to_json(far), allow_nan=False)


def test_a_loss_is_asked_for_in_the_unit_of_the_tokenizer(fitted):
    bytes_ = dataclasses.replace(fitted, conventions={"vocab_size": "256"})
    assert forecast(bytes_, loss=3.0).asked == "L = 3 nats per byte"
    assert forecast(fitted, loss=3.0).asked == "L = 3 nats per token"
    with pytest.raises(HarnessError, match="nats per byte; ask for more"):
        forecast(bytes_, loss=0.5)


def test_losses_near_e_are_out_of_reach_of_some_resamples_or_all(fitted):
    near = forecast(fitted, loss=float(np.percentile(fitted.draws["E"], 90)))
    assert near.quantities["train_flops"].ci95[1] == np.inf
    assert any("no compute reaches this loss" in sentence for sentence in near.warnings)
    json.dumps(to_json(near), allow_nan=False)
    with pytest.raises(HarnessError, match="irreducible loss E"):
        forecast(fitted, loss=0.5)


def test_printed_power_laws_forecast_n_and_d_without_a_loss():
    found = forecast(open_source("published:kaplan2020"), train_flops=8.64e19)
    assert value(found, "n_params") == pytest.approx(1.3e9)
    assert value(found, "n_tokens") == pytest.approx(2e10)
    assert "loss_nats" not in found.quantities
    porian = forecast(open_source("published:porian2024"), train_flops=1e18)
    assert 6 * value(porian, "n_params") * value(porian, "n_tokens") == pytest.approx(1e18)
    assert value(porian, "tokens_per_param") == pytest.approx(15.5, abs=1.5)  # the paper's range is 14 to 17


def test_laws_in_one_variable_answer_in_it():
    found = forecast(open_source("published:kaplan2020_lc"), train_flops=1.6e7 * 8.64e19)
    assert value(found, "loss_nats") == pytest.approx(1.0)
    back = forecast(open_source("published:kaplan2020_lc"), loss=2.0)
    assert value(back, "train_flops") == pytest.approx(1.6e7 * 8.64e19 * 2 ** (-1 / 0.057), rel=1e-6)
    assert value(forecast(open_source("published:kaplan2020_ln"), n_params=8.8e13), "loss_nats") == pytest.approx(1.0)


@pytest.mark.parametrize("question", [{}, {"train_flops": 1e18, "loss": 2.0}, {"loss": -1.0}, {"train_flops": np.nan}])
def test_questions_that_are_not_one_positive_number_are_refused(question):
    with pytest.raises(UserError, match=r"ask one thing|not a positive number"):
        forecast(open_source("published:besiroglu2024"), **question)


def test_what_a_source_cannot_tell_is_refused():
    with pytest.raises(HarnessError, match="exponents without coefficients"):
        forecast(open_source("published:gadre2024"), train_flops=1e18)
    with pytest.raises(HarnessError, match="no optimum under"):
        forecast(open_source("published:kaplan2020_ln"), train_flops=1e18)
    with pytest.raises(HarnessError, match="no law of the loss in N and D"):
        forecast(open_source("published:kaplan2020_ln"), n_params=1e6, n_tokens=1e7)
    with pytest.raises(UserError, match="published:nobody is not known"):
        open_source("published:nobody")


def test_unique_tokens_count_in_a_law_of_repeated_data():
    source = open_source("published:muennighoff2023")
    repeated = forecast(source, n_params=8.7e9, n_tokens=178e9, unique_tokens=25.43e9)
    assert value(repeated, "loss_nats") == pytest.approx(2.22608, abs=5e-6)
    assert value(repeated, "unique_tokens") == 25.43e9
    unique = forecast(source, n_params=8.7e9, n_tokens=178e9)
    assert value(unique, "loss_nats") == pytest.approx(2.1922, abs=5e-5)
    assert any("all tokens are taken as unique" in sentence for sentence in unique.warnings)
    assert not any("all tokens are taken" in sentence for sentence in repeated.warnings)


def test_unique_tokens_are_refused_where_they_say_nothing():
    with pytest.raises(UserError, match="law of repeated data"):
        forecast(open_source("published:besiroglu2024"), n_params=1e9, n_tokens=1e10, unique_tokens=1e9)
    with pytest.raises(UserError, match="needs both"):
        forecast(open_source("published:muennighoff2023"), train_flops=1e21, unique_tokens=1e9)


def test_constants_of_ones_own_are_a_source():
    own = from_params("E=1.8172,A=482.01,B=2085.43,alpha=0.3478,beta=0.3658")
    ours, theirs = (forecast(each, train_flops=1e21) for each in (own, open_source("published:besiroglu2024")))
    assert value(ours, "n_params") == value(theirs, "n_params")
    assert own.exponents["a"].value == pytest.approx(0.5126, abs=1e-4)
    law_of_c = from_params("kaplan_lc_offset:E=1.6,A=94.8,alpha=0.094")
    assert value(forecast(law_of_c, train_flops=1e20), "loss_nats") == pytest.approx(1.6 + 94.8 / 1e20**0.094)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=1,alpha=0.1", "kaplan_ln, kaplan_ld, kaplan_lc"),
        ("chinchilla:E=1,A=1", "takes E, A, B, alpha, beta"),
        ("E=1,A=-1,B=1,alpha=1,beta=1", "A = -1"),
        ("newton:A=1", "not known"),
        ("E", "NAME=NUMBER"),
    ],
)
def test_constants_that_are_no_law_are_said(text, words):
    with pytest.raises(UserError, match=words):
        from_params(text)
