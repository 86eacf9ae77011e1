"""`forecast`: of a saved fit, of published constants and of runs."""

import json

import numpy as np
import pytest

from analysis.fitting.saved_fit import load_fit
from analysis.laws.chinchilla import chinchilla
from tests.analysis.simulated_table import COLUMNS, TRUTH


def test_forecasts_are_printed_with_distance_and_intervals(attempt, saved):
    code, out, _ = attempt("forecast", saved[0], "--flops", "1e16", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["train_flops"]["value"] == 1e16
    low, high = found["n_params"]["ci95"]
    assert low < found["n_params"]["value"] < high
    letters = {"N": "n_params", "D": "n_tokens", "C": "train_flops"}
    ranges = load_fit(saved[0]).input_ranges
    beyond = [np.log10(found[letters[x]]["value"] / high) for x, (_, high) in ranges.items()]
    assert found["decades_beyond"] == pytest.approx(max(beyond))
    assert found["decades_beyond"] > 0.5
    costs = {round(row["factor"], 2): row for row in found["cost_of_choice"]["wrong_sizes"]}
    assert set(costs) == {0.33, 0.5, 2, 3}
    assert costs[3]["wasted_compute"]["value"] > costs[2]["wasted_compute"]["value"] > 0
    assert found["cost_of_choice"]["expected_regret"]["wasted_compute"]["value"] > 0
    code, out, _ = attempt("forecast", saved[0], "--flops", "1e16")
    assert "the cost of other sizes" in out
    assert "expected regret of following this fit" in out
    code, out, _ = attempt("forecast", "published:besiroglu2024", "--loss", "2.1")
    assert code == 0
    assert "expected regret" not in out
    assert "train_flops" in out
    assert "no intervals" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("one.json",), 2, "ask one thing"),
        (("one.json", "--flops", "1e18", "--loss", "2"), 2, "ask one thing"),
        (("one.json", "--flops", "-1"), 2, "not a positive number"),
        (("one.json", "--loss", "0.1"), 1, "irreducible loss E"),
        (("nothing.json", "--flops", "1e18"), 2, "cannot read nothing.json"),
        (("published:nobody", "--flops", "1e18"), 2, "published:nobody is not known"),
        (("one.json", "--flops", "many"), 2, "'many' is no budget"),
    ],
)
def test_forecasts_that_cannot_be_made_are_one_sentence(attempt, saved, arguments, code, words):
    found, out, err = attempt("forecast", *arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1


def test_budgets_in_petaflop_days_and_constants_of_ones_own(attempt):
    own = ("--params", "kaplan_lc:A=10,alpha=0.05")
    code, out, _ = attempt("forecast", *own, "--flops", "12 PF-days", "--json")
    assert code == 0
    assert json.loads(out)["train_flops"]["value"] == pytest.approx(12 * 8.64e19)
    code, out, _ = attempt("forecast", *own, "--flops", 8.64e20)
    assert "compute in PF-days: 10" in out
    code, out, err = attempt("forecast", "--flops", 1e20)
    assert (code, out) == (2, "")
    assert "name one source" in err
    code, out, _ = attempt("compare", *own, "published:kaplan2020_lc_min", "--flops", "1PFd", "--json")
    assert any(row["quantity"].startswith("ln(C2/C1)") for row in json.loads(out)["differences"])


def test_runs_are_forecast_by_several_forms_and_a_fit_by_its_own(attempt, saved):
    code, out, _ = attempt("forecast", "one.csv", *COLUMNS, "--flops", "1e13", "--json")
    found = json.loads(out)
    assert code == 0
    assert set(found["mixture"]["weights"]) == {"chinchilla", "tied", "skaling"}
    assert found["mixture"]["windows"]["windows"] == 3
    assert found["discrepancy"] > 0
    low, high = found["loss_nats"]["ci95"]
    assert low < chinchilla.optimal(TRUTH, 1e13).loss_nats < high
    code, out, _ = attempt("forecast", saved[0], "--flops", "1e13", "--json")
    one = json.loads(out)
    assert one["mixture"] is None
    assert one["discrepancy"] == pytest.approx(found["discrepancy"], rel=1e-6)
    fitted = load_fit(saved[0])
    drawn = np.percentile(fitted.law.optimal(fitted.draws, 1e13).loss_nats, [2.5, 97.5])
    low, high = one["loss_nats"]["ci95"]
    assert low < drawn[0] - 0.01 < drawn[1] + 0.01 < high
    assert attempt("forecast", "one.csv", *COLUMNS, "--flops", "1e13", "--batch", "512")[0] == 2
    code, out, _ = attempt("forecast", "one.csv", *COLUMNS, "--flops", "1e13")
    assert "weights: chinchilla" in out
    assert "of 3 windows" in out
