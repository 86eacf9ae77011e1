import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from analysis.forecasting.forecast import forecast
from analysis.forecasting.source import open_source, with_batch
from analysis.laws.chinchilla import chinchilla
from analysis.laws.kaplan import CRITICAL, Batch, batch_named, kaplan_ln, kaplan_ln_s, optimal_steps
from analysis.laws.law import derive
from analysis.to_json import to_json
from scaling_harness.errors import HarnessError, UserError

KAPLAN = {"A": 6.5e13**0.077, "B": 2.1e3**0.76, "alpha": 0.077, "beta": 0.76}  # Kaplan et al. 2020, Table 3
PETAFLOP_DAYS = 8.64e19


def test_at_the_critical_batch_it_is_kaplans_appendix():
    """With his constants B.7 gives alpha_C = .0525 and B.8 C_c = 1.61e8 PF-days; N goes as C^.68, B as C^.25, S as
    C^.069 (eq. 1.7), and the loss is 1 + alpha_N / alpha_S = 1.10 times that of convergence (B.5)."""
    budgets = np.array([1.0, 1e3]) * PETAFLOP_DAYS
    best = optimal_steps(kaplan_ln_s, KAPLAN, budgets, CRITICAL["kaplan2020"])
    assert best.loss_nats == pytest.approx((1.61e8 * PETAFLOP_DAYS / budgets) ** 0.0525, rel=2e-3)
    batch = CRITICAL["kaplan2020"].tokens(best.loss_nats)
    slopes = [np.log(x[1] / x[0]) / np.log(1e3) for x in (best.n_params, batch, best.n_tokens / batch)]
    assert slopes == pytest.approx([0.68, 0.25, 0.069], abs=2e-3)
    assert best.loss_nats / (6.5e13 / best.n_params) ** 0.077 == pytest.approx(1.10, abs=2e-3)
    assert 6 * best.n_params * best.n_tokens == pytest.approx(budgets)


def test_at_a_fixed_batch_it_is_where_a_numeric_search_finds_it():
    budget, batch = 1e20, 2.0**19

    def loss(log_n):
        return float(kaplan_ln_s.predict(KAPLAN, N=np.exp(log_n), S=budget / 6 / batch / np.exp(log_n)))

    searched = minimize_scalar(loss, bounds=(10, 30), method="bounded", options={"xatol": 1e-9})
    best = optimal_steps(kaplan_ln_s, KAPLAN, budget, Batch(batch))
    assert best.n_params == pytest.approx(np.exp(searched.x), rel=1e-5)
    assert best.loss_nats == pytest.approx(searched.fun, rel=1e-12)


def test_a_forecast_says_that_it_needs_the_batch_and_takes_it():
    source = open_source("published:kaplan2020_ln_s")
    with pytest.raises(HarnessError, match="does not say how many tokens B a step takes; give the batch"):
        forecast(source, train_flops=1e20)
    with pytest.raises(ValueError, match="give the batch"):
        kaplan_ln_s.optimal(KAPLAN, 1e20)
    found = forecast(with_batch(source, "524288"), train_flops=1e20)
    assert found.quantities["batch_tokens"].value == 524288
    assert found.quantities["n_steps"].value * 524288 == pytest.approx(found.quantities["n_tokens"].value)
    back = forecast(with_batch(source, "524288"), loss=found.quantities["loss_nats"].value)
    assert back.quantities["train_flops"].value == pytest.approx(1e20)
    assert to_json(found)["cost_of_choice"] is None


@pytest.mark.parametrize("text", ["many", "0", "-3", "nan"])
def test_batches_that_are_not_are_refused(text):
    with pytest.raises(UserError, match="neither a positive number of tokens a step nor one of kaplan2020"):
        batch_named(text)


def test_other_laws_have_no_use_for_a_batch():
    with pytest.raises(UserError, match="for a law in N and steps"):
        with_batch(open_source("published:besiroglu2024"), "512")
    with pytest.raises(ValueError, match="no law in N and S"):
        optimal_steps(chinchilla, {}, 1e20, Batch(512))


def test_kaplan_constant_is_recovered_from_the_coefficient():
    n_c, alpha = 8.8e13, 0.076
    params = {"A": n_c**alpha, "alpha": alpha}
    assert derive(kaplan_ln, params)["N_c"] == pytest.approx(n_c)
    assert kaplan_ln.predict(params, N=n_c) == pytest.approx(1.0)
