import numpy as np
import pytest

from analysis.forecasting.forecast import forecast
from analysis.forecasting.mixture_forecast import forecast_mixture, mixture_source
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.runs.selection import Runs
from analysis.validation.discrepancy import TAU
from scaling_harness.errors import HarnessError, UserError

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}


@pytest.fixture(scope="module")
def source():
    frame = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, 5), n_sizes=7, span=3.0, seeds=1, noise=0.003)
    return mixture_source(Runs(frame), "simulated")


def test_a_budget_gives_the_best_size_and_a_loss_that_holds_the_truth(source):
    found = forecast_mixture(source, train_flops=1.2e13)
    best = chinchilla.optimal(TRUTH, 1.2e13)
    for name, true in (("n_params", best.n_params), ("n_tokens", best.n_tokens), ("loss_nats", best.loss_nats)):
        low, high = found.quantities[name].ci95
        assert low < true < high, name
        assert low < found.quantities[name].value < high
    assert 6 * found.quantities["n_params"].value * found.quantities["n_tokens"].value == pytest.approx(1.2e13)
    assert found.discrepancy == pytest.approx(TAU * np.log(4))
    low, high = found.quantities["loss_nats"].ci95
    assert np.log(high / low) > 2 * 1.96 * TAU * np.log(4)
    assert found.mixture["windows"].windows == 3
    assert sum(found.mixture["weights"].values()) == pytest.approx(1)


def test_within_the_runs_there_is_no_discrepancy(source):
    found = forecast_mixture(source, train_flops=1e12)
    assert found.discrepancy == 0
    low, high = found.quantities["loss_nats"].ci95
    assert np.log(high / low) < 0.03


def test_a_loss_and_a_shape_agree_with_the_budget(source):
    budget = forecast_mixture(source, train_flops=1.2e13)
    size, tokens, loss = (budget.quantities[name].value for name in ("n_params", "n_tokens", "loss_nats"))
    shape = forecast_mixture(source, n_params=size, n_tokens=tokens)
    assert shape.quantities["loss_nats"] == budget.quantities["loss_nats"]
    inverse = forecast_mixture(source, loss=loss).quantities["train_flops"]
    assert inverse.value == pytest.approx(1.2e13, rel=1e-3)
    assert inverse.ci95[0] < 1.2e13 < inverse.ci95[1]


def test_runs_are_forecast_by_the_mixture_and_not_by_a_law():
    runs = Runs(simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, 3), n_sizes=5, span=3.0, seeds=1))
    assert forecast_mixture(runs, train_flops=1e13).source == "mixture on these runs"
    with pytest.raises(UserError, match="forecast_mixture"):
        forecast(runs, train_flops=1e13)  # pyright: ignore[reportArgumentType]


def test_questions_without_an_answer_are_refused(source):
    with pytest.raises(HarnessError, match="reaches a loss"):
        forecast_mixture(source, loss=0.5)
    with pytest.raises(UserError, match="together"):
        forecast_mixture(source, n_params=1e6)
    with pytest.raises(UserError, match="ask one thing"):
        forecast_mixture(source)


def test_two_budgets_say_that_nothing_judges_the_forms():
    frame = simulate.isoflop(TRUTH, [1e11, 3e12], n_sizes=7, seeds=1)
    source = mixture_source(Runs(frame), "two")
    assert any("leave none to weigh the forms by" in note for note in source.notes)
    assert list(source.weights.values()) == pytest.approx([1 / 3] * 3)
