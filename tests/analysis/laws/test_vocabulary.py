"""Pearce and Song's closed forms against numeric derivatives, their limits and their own numbers."""

import numpy as np
import pytest

from analysis.laws.chinchilla import chinchilla
from analysis.laws.published import PUBLISHED as CONSTANTS
from analysis.laws.vocabulary import (
    PUBLISHED,
    Vocabulary,
    compute_of_best,
    fit_vocabulary,
    local_exponent,
    loss_slope,
    mean_exponent,
    of_fixed_aspect,
    of_fixed_depth,
)

PARAMS = CONSTANTS["besiroglu2024"].params
ALPHA, BETA = PARAMS["alpha"], PARAMS["beta"]


@pytest.mark.parametrize("vocabulary", [PUBLISHED, of_fixed_depth(2, 1024)])
def test_the_exponent_is_the_derivative_of_the_best_size(vocabulary):
    N, h = np.geomspace(1e3, 1e10, 8), 1e-4
    C = [np.log(compute_of_best(vocabulary, PARAMS, N * np.exp(step))) for step in (h, -h)]
    assert local_exponent(vocabulary, ALPHA, BETA, N) == pytest.approx(2 * h / (C[0] - C[1]), rel=1e-6)


def test_the_best_size_is_where_the_loss_is_lowest():
    N = np.geomspace(1e4, 1e6, 20001)
    C = float(compute_of_best(PUBLISHED, PARAMS, 1e5))
    loss = chinchilla.predict(PARAMS, N=PUBLISHED.total(N), D=C / (6 * N))
    assert N[loss.argmin()] == pytest.approx(1e5, rel=1e-3)


def test_the_exponent_is_that_of_the_published_formula():
    N = np.geomspace(1e2, 1e11, 10)
    u, w = N ** (2 / 3), PUBLISHED.omega
    theirs = 1 - (u + w / 9) / (u + w / 3) / BETA + (1 + ALPHA) * (u + w / 3) / (u + w) / BETA
    assert local_exponent(PUBLISHED, ALPHA, BETA, N) == pytest.approx(1 / theirs)


def test_limits_and_peak():
    assert local_exponent(PUBLISHED, ALPHA, BETA, 1e-3) == pytest.approx(BETA / (BETA + ALPHA / 3), abs=1e-3)
    assert local_exponent(PUBLISHED, ALPHA, BETA, 1e18) == pytest.approx(BETA / (BETA + ALPHA), abs=1e-3)
    N = np.geomspace(1e2, 1e11, 1000)
    g = local_exponent(PUBLISHED, ALPHA, BETA, N)
    assert g.max() == pytest.approx(0.98, abs=0.005)
    assert N[g.argmax()] == pytest.approx(1.9e6, rel=0.05)
    assert local_exponent(PUBLISHED, ALPHA, BETA, 1.5e9) == pytest.approx(0.53, abs=0.005)


@pytest.mark.parametrize(
    ("vocab_size", "expected"), [(256, (0.98, 0.75, 0.57)), (1024, (0.88, 0.97, 0.73)), (4096, (0.80, 0.90, 0.96))]
)
def test_small_vocabularies_at_one_aspect(vocab_size, expected):
    g = local_exponent(of_fixed_aspect(16, vocab_size), ALPHA, BETA, [1e3, 1e4, 1e5])
    assert g == pytest.approx(expected, abs=0.006)


def test_a_fixed_depth_counts_exactly():
    d = np.array([8, 32, 64])
    assert of_fixed_depth(2, 1024).total(24 * d**2) == pytest.approx(24 * d**2 + 1024 * d)


@pytest.mark.parametrize("power", [1 / 3, None])
def test_a_fit_finds_the_truth(power):
    truth = Vocabulary(5e4, 1 / 3 if power else 0.4)
    N = np.geomspace(1e5, 1e10, 20)
    fitted = fit_vocabulary(N, truth.total(N), power)
    assert (fitted.omega, fitted.power) == pytest.approx((truth.omega, truth.power), rel=1e-4)


def test_the_mean_exponent_is_the_slope_between_the_ends():
    assert mean_exponent(PUBLISHED, PARAMS, 1e6, 1.0001e6) == pytest.approx(
        local_exponent(PUBLISHED, ALPHA, BETA, 1e6), rel=1e-4
    )


def test_the_slope_of_the_loss_is_its_derivative():
    N = np.array([1e5 * np.exp(-1e-4), 1e5 * np.exp(1e-4)])
    C = compute_of_best(PUBLISHED, PARAMS, N)
    loss = chinchilla.predict(PARAMS, N=PUBLISHED.total(N), D=C / (6 * N))
    assert loss_slope(PUBLISHED, PARAMS, 1e5) == pytest.approx(
        np.diff(np.log(loss))[0] / np.diff(np.log(C))[0], rel=1e-4
    )
