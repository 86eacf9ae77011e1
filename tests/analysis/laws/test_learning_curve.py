"""The bounded curve: its ends, its slope, where its regions meet."""

import numpy as np
import pytest

from analysis.laws.learning_curve import boundaries, bounded, slope

PARAMS = {"E": 1.2, "L_0": 5.0, "D_0": 2e4, "beta": 0.6}


def test_it_goes_from_the_guess_to_the_limit_by_the_power():
    assert bounded(PARAMS, [1e-12, 2e4, 1e30]) == pytest.approx([5.0, 3.1, 1.2], abs=1e-4)
    far = bounded(PARAMS, [1e12, 1e13]) - 1.2
    assert np.log10(far[0] / far[1]) == pytest.approx(0.6, abs=1e-3)


def test_the_slope_is_the_derivative():
    D = np.array([1e2, 1e4, 1e6])
    numeric = -np.log(bounded(PARAMS, D * 1.001) / bounded(PARAMS, D / 1.001)) / (2 * np.log(1.001))
    assert slope(PARAMS, D) == pytest.approx(numeric, rel=1e-4)


def test_at_the_boundaries_the_slope_is_half_of_its_largest():
    largest = slope(PARAMS, np.geomspace(1, 1e9, 20000)).max()
    assert slope(PARAMS, boundaries(PARAMS)) / largest == pytest.approx([0.5, 0.5], abs=0.01)
    first, last = boundaries(PARAMS | {"E": 0.0})
    assert np.isinf(last)
    assert first == pytest.approx(2e4, rel=0.01)  # h / (1 + h) is half there
