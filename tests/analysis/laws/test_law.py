import re

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from analysis.laws.chinchilla import chinchilla
from analysis.laws.kaplan import kaplan_lc, kaplan_ln
from analysis.laws.law import derive
from analysis.laws.registry import LAWS

EPOCH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
HOFFMANN_TEX = {"E": 1.6934, "A": 406.4, "B": 410.7, "alpha": 0.3392, "beta": 0.2849}


def test_chinchilla_prediction_by_hand():
    """100 / 1e4^.5 = 1, 2000 / 1e9^(1/3) = 2; at a hundred times N the first is a tenth."""
    params = {"E": 1.5, "A": 100.0, "B": 2000.0, "alpha": 0.5, "beta": 1 / 3}
    np.testing.assert_allclose(chinchilla.predict(params, N=np.array([1e4, 1e6]), D=1e9), [4.5, 3.6], rtol=1e-12)


@pytest.mark.parametrize(
    ("params", "flops", "n", "d", "loss"),
    [
        (EPOCH, 1e21, 2.778e9, 5.999e10, 2.3055),
        (EPOCH, 5.76e23, 7.225e10, 1.329e12, 1.9744),
        (HOFFMANN_TEX, 1e21, 2.215e9, 7.526e10, None),
    ],
)
def test_optimum_of_published_constants(params, flops, n, d, loss):
    best = chinchilla.optimal(params, flops)
    assert best.n_params == pytest.approx(n, rel=2e-3)
    assert best.n_tokens == pytest.approx(d, rel=2e-3)
    if loss:
        assert best.loss_nats == pytest.approx(loss, abs=1e-4)


def test_optimum_is_the_minimum_on_the_isoflop_line():
    def loss(log_n):
        return float(chinchilla.predict(EPOCH, N=np.exp(log_n), D=1e20 / 6 / np.exp(log_n)))

    found = minimize_scalar(loss, bounds=(15, 28), method="bounded", options={"xatol": 1e-10})
    assert np.log(chinchilla.optimal(EPOCH, 1e20).n_params) == pytest.approx(found.x, abs=1e-5)


def test_derived_frontier_of_published_constants():
    derived = derive(chinchilla, EPOCH)
    assert derived["a"] == pytest.approx(0.5126, abs=1e-4)
    assert derived["G"] == pytest.approx(0.1196, abs=2e-4)
    assert derive(chinchilla, HOFFMANN_TEX)["a"] == pytest.approx(0.4565, abs=1e-4)


def test_kaplan_constant_is_recovered_from_the_coefficient():
    n_c, alpha = 8.8e13, 0.076
    params = {"A": n_c**alpha, "alpha": alpha}
    assert derive(kaplan_ln, params)["N_c"] == pytest.approx(n_c)
    assert kaplan_ln.predict(params, N=n_c) == pytest.approx(1.0)


def test_law_without_both_inputs_has_no_optimum():
    with pytest.raises(ValueError, match="no optimum"):
        kaplan_lc.optimal({"A": 1.0, "alpha": 0.1}, 1e20)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_every_law_names_its_source_and_falls_with_its_inputs(law):
    params = dict.fromkeys(law.params, 0.5)
    small, large = (dict.fromkeys(law.inputs, scale) for scale in (10.0, 1e4))
    assert law.predict(params, **large) < law.predict(params, **small)
    assert re.search(r"\b20[12]\d\b|textbook", law.source)
