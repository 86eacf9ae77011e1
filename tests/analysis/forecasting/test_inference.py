import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from analysis.forecasting.inference import inference_aware
from analysis.laws.chinchilla import chinchilla, skaling
from analysis.laws.cost_model import SIX_ND, CostModel

BESIROGLU = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
SARDANA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.336, "beta": 0.283}
OVERHEAD = CostModel(k=5.0, n_power=0.97, overhead=40.0, overhead_power=0.5)


def test_the_papers_example():
    """For 2e12 inference tokens 7B parameters take 1.7e22 FLOP, 17 %, less than 13B (Sardana et al. 2023, fig. 1)."""
    budget = brentq(lambda C: float(chinchilla.optimal(SARDANA, C).n_params) - 13e9, 1e20, 1e26)
    choice = inference_aware(chinchilla, SARDANA, {}, budget, 2e12)
    assert choice.n_params.value == pytest.approx(7e9, rel=0.02)
    assert choice.saved.value == pytest.approx(0.17, abs=0.005)
    assert choice.saved.value * choice.optimal_total_flops == pytest.approx(1.7e22, rel=0.01)


@pytest.mark.parametrize("inference_tokens", [1e9, 1e11, 1e13])
@pytest.mark.parametrize("cost", [SIX_ND, OVERHEAD], ids=["6ND", "overhead"])
@pytest.mark.parametrize(("law", "params"), [(chinchilla, BESIROGLU), (skaling, {**BESIROGLU, "k": 0.6})])
def test_it_is_the_least_total_that_an_optimiser_finds(law, params, cost, inference_tokens):
    choice = inference_aware(law, params, {}, 1e20, inference_tokens, cost)
    inner = (choice.loss_nats - params["E"]) ** (1 / params.get("k", 1.0))

    def total(log_n):
        left = inner - params["A"] * np.exp(-params["alpha"] * log_n)
        if left <= 0:
            return np.inf
        N, D = np.exp(log_n), (params["B"] / left) ** (1 / params["beta"])
        return float(np.log(cost.flops(N, D) + cost.flops(N, inference_tokens) / 3))

    floor = np.log(params["A"] / inner) / params["alpha"]
    best = minimize_scalar(total, bounds=(floor + 1e-6, floor + 8), method="bounded", options={"xatol": 1e-9})
    assert choice.n_params.value == pytest.approx(np.exp(best.x), rel=1e-3)  # a minimum is flat
    assert choice.train_flops + choice.inference_flops == pytest.approx(np.exp(best.fun), rel=1e-9)
    assert law.predict(params, N=choice.n_params.value, D=choice.n_tokens.value) == pytest.approx(choice.loss_nats)


def test_without_use_it_is_the_compute_optimal_choice():
    choice, best = inference_aware(chinchilla, BESIROGLU, {}, 1e20, 1.0), chinchilla.optimal(BESIROGLU, 1e20)
    assert (choice.n_params.value, choice.n_tokens.value) == pytest.approx((best.n_params, best.n_tokens), rel=1e-4)
    assert choice.saved.value == pytest.approx(0, abs=1e-6)


def test_each_resample_has_its_own_optimum_and_one_without_counts_for_nothing():
    draws = {name: np.array([value] * 3) for name, value in BESIROGLU.items()}
    draws["beta"] = np.array([0.35, 0.38, 0.0])
    choice = inference_aware(chinchilla, BESIROGLU, draws, 1e20, 1e11)
    ends = [
        inference_aware(chinchilla, {**BESIROGLU, "beta": beta}, {}, 1e20, 1e11).n_params.value for beta in (0.35, 0.38)
    ]
    low, high = choice.n_params.ci95
    assert min(ends) <= low < high <= max(ends)
    assert (low, high) == pytest.approx(np.percentile(ends, [2.5, 97.5]))
