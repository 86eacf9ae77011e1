import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from analysis.laws.chinchilla import chinchilla
from analysis.laws.law import derive
from analysis.laws.published import PUBLISHED

EPOCH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
HOFFMANN_TEX = {"E": 1.6934, "A": 406.4, "B": 410.7, "alpha": 0.3392, "beta": 0.2849}


def test_hoffmanns_constants_give_the_losses_that_are_quoted_of_gopher_and_chinchilla():
    """280e9 parameters on 300e9 tokens against 70e9 on 1.4e12, by rounded constants (eq. 10) and terms."""
    loss = chinchilla.predict(PUBLISHED["hoffmann2022_rounded"].params, N=[280e9, 70e9], D=[300e9, 1.4e12])
    np.testing.assert_allclose(loss, [1.993, 1.936], atol=1e-3)


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
