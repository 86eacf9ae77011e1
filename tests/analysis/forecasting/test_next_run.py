import dataclasses

import numpy as np
import pytest

from analysis.fitting.fit import fit
from analysis.fitting.result import UNUSABLE
from analysis.fitting.saved_fit import describe
from analysis.forecasting.next_run import FAR_TIMES, mixture_of, plan_next_run
from analysis.forecasting.source import from_fit, from_params, open_source
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.runs.load import load_runs
from scaling_harness.errors import HarnessError, UserError

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
COLUMNS = "N=N,D=D,loss=L"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("next") / "runs.csv"
    frame = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, 4), n_sizes=6, span=3.0, seeds=1, noise=0.003)
    frame[["N", "D", "L"]].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def result(table):
    runs = load_runs(table, columns=COLUMNS)
    where = {"path": str(table), "columns": COLUMNS, "drop_worst": 0, "keep_repeats": False, "best_of": None}
    return describe(fit(chinchilla, runs, resample="residuals", resamples=50), runs, where)


@pytest.fixture(scope="module")
def mixture(result):
    found, reason = mixture_of(from_fit(result))
    assert reason == ""
    return found


def test_the_loss_has_the_error_of_the_form_and_the_size_is_that_of_the_fit(result, mixture):
    plan = plan_next_run(from_fit(result), train_flops=1.2e13, mixture=mixture)
    best = result.optimal(1.2e13)
    assert (plan.n_params, plan.n_tokens) == pytest.approx((best.n_params, best.n_tokens))
    low, high = plan.loss_nats.ci95
    assert low < chinchilla.predict(TRUTH, N=plan.n_params, D=plan.n_tokens) < high
    assert np.log(high / low) > 2 * 1.96 * 0.012 * np.log(4)
    assert plan.loss_by == "mixture of forms on its runs"
    assert [row.law for row in plan.laws][-2:] == ["fit", "mixture on fit"]
    assert plan.times_beyond == pytest.approx(4)
    assert plan.inference is None
    assert plan.warnings == ()


def test_without_its_runs_the_discrepancy_is_that_of_the_law(result, tmp_path):
    gone = dataclasses.replace(
        result, settings={**result.settings, "source": {"path": str(tmp_path / "gone.csv"), "columns": COLUMNS}}
    )
    found, reason = mixture_of(from_fit(gone))
    assert found is None
    assert "gone.csv" in reason
    assert mixture_of(from_params("E=1.9,A=420,B=1900,alpha=.345,beta=.36"))[0] is None
    other = dataclasses.replace(result, settings={**result.settings, "rows": "others"})
    assert mixture_of(from_fit(other)) == (None, "the runs of fit have changed since it was made")
    plan = plan_next_run(from_fit(result), train_flops=1.2e13)
    assert plan.loss_by.startswith("fit alone, with 1.6")
    assert plan.loss_nats == plan.by.quantities["loss_nats"]


def test_being_two_times_off_costs_what_the_closed_form_says():
    """A N*^-alpha (f^-alpha - 1) + B D*^-beta (f^beta - 1), and C' of that loss by L - E ~ C^-gamma."""
    p = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
    plan = plan_next_run(from_params(",".join(f"{k}={v}" for k, v in p.items())), train_flops=1e20)
    gamma = p["alpha"] * p["beta"] / (p["alpha"] + p["beta"])
    for wrong in plan.by.wrong_sizes:
        of_n = p["A"] * plan.n_params ** -p["alpha"] * (wrong.factor ** -p["alpha"] - 1)
        of_d = p["B"] * plan.n_tokens ** -p["beta"] * (wrong.factor ** p["beta"] - 1)
        assert wrong.extra_loss_nats.value == pytest.approx(of_n + of_d)
        least = plan.by.quantities["loss_nats"].value - p["E"]
        assert 1 - wrong.wasted_compute.value == pytest.approx(((least + of_n + of_d) / least) ** (-1 / gamma))


def test_far_beyond_the_runs_is_warned_of_with_the_factor(result):
    near, far = (plan_next_run(from_fit(result), train_flops=3e12 * times) for times in (FAR_TIMES, 1e4))
    assert near.far == ()
    (sentence,) = far.far
    assert sentence.startswith("the budget is 1e+04 times the largest compute of the runs of fit (3e+12 FLOP)")


def test_a_fit_that_did_not_converge_says_so(result):
    plan = plan_next_run(from_fit(dataclasses.replace(result, warnings=(UNUSABLE,))), train_flops=1e12)
    assert any(UNUSABLE in sentence for sentence in plan.warnings)


def test_a_loss_in_place_of_a_budget(result, mixture):
    plan = plan_next_run(from_fit(result), loss=1.9, mixture=mixture, inference_tokens=1e9)
    assert result.optimal(plan.train_flops).loss_nats == pytest.approx(1.9)
    assert plan.inference.loss_nats == pytest.approx(1.9)
    assert plan.inference.n_params.value < plan.n_params
    with pytest.raises(HarnessError, match="irreducible loss E"):
        plan_next_run(from_fit(result), loss=0.5)
    with pytest.raises(UserError, match="--inference-tokens is -1"):
        plan_next_run(from_fit(result), loss=1.9, inference_tokens=-1)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("published:kaplan2020_lc", "a law in C alone: it does not say how a budget splits into N and D; fit one in"),
        ("published:kaplan2020_ln", "a law in N alone"),
        ("published:kaplan2020", "only exponents or a line"),
        ("published:kaplan2020_ln_s", "how many tokens B a step takes"),
    ],
)
def test_what_has_no_split_is_told_what_is_missing(source, words):
    with pytest.raises(UserError, match=words):
        plan_next_run(open_source(source), train_flops=1e20)
