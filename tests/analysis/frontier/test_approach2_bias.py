import numpy as np
import pytest

from analysis.frontier.approaches import three_approaches
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.runs.selection import Runs

LOPSIDED = {"E": 1.0, "A": 300.0, "B": 30.0, "alpha": 0.6, "beta": 0.25}
BUDGETS = np.geomspace(1e11, 3e12, 5)


def drifting(params, factor):
    """An exact grid whose centre runs from the optimum / factor to the optimum * factor."""
    frame = simulate.isoflop(params, BUDGETS, noise=0.0, seeds=1)
    share = np.log(frame.C / BUDGETS[0]) / np.log(BUDGETS[-1] / BUDGETS[0])
    N = frame.N * factor ** (2 * share - 1)
    D = frame.C / (6 * N)
    return frame.assign(N=N, D=D, L=chinchilla.predict(params, N=N, D=D))


def test_the_correction_removes_the_bias_of_an_exact_grid():
    true_a = 0.25 / 0.85
    found = three_approaches(Runs(drifting(LOPSIDED, 2.0)), resamples=20)
    second, corrected = found.approaches["2"], found.variants["2 corrected"]
    assert abs(second.a.value - true_a) > 0.01
    assert corrected.a.value == pytest.approx(true_a, abs=1e-5)
    assert found.parabola_bias.a == pytest.approx(second.a.value - true_a, abs=1e-5)
    assert found.parabola_bias.sentence() in second.warnings
    best = chinchilla.optimal(LOPSIDED, corrected.points.C)
    np.testing.assert_allclose(corrected.points.N_opt, best.n_params, rtol=1e-4)
    np.testing.assert_allclose(corrected.points.D_opt, best.n_tokens, rtol=1e-4)


def test_a_centred_grid_biases_the_intercept_alone_as_czech_prints():
    """alpha .34, beta .28, 15 sizes over a factor 8 to each side: 2.99 % in N_opt, none in a."""
    params = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28}
    frame = simulate.isoflop(params, BUDGETS, noise=0.0, seeds=1, n_sizes=15, span=8.0)
    bias = three_approaches(Runs(frame), resamples=20).parabola_bias
    np.testing.assert_allclose(bias.n_opt, 0.0299, atol=2e-4)
    assert bias.a == pytest.approx(0.0, abs=1e-5)
    assert "+3.0% to +3.0% in N_opt" in bias.sentence()


def test_equal_exponents_and_a_centred_grid_have_no_bias():
    params = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.3, "beta": 0.3}
    found = three_approaches(Runs(simulate.isoflop(params, BUDGETS, noise=0.0, seeds=1)), resamples=20)
    np.testing.assert_allclose(found.parabola_bias.n_opt, 0.0, atol=1e-4)
    assert found.parabola_bias.sentence() not in found.approaches["2"].warnings
