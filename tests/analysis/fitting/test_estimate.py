import numpy as np
import pytest
from scipy.stats import ttest_1samp

from analysis.fitting.estimate import Estimate


@pytest.mark.parametrize(
    ("estimate", "spec", "text"),
    [
        (Estimate(0.51234, 0.01, (0.5, 0.524)), ".2f", "0.51 [0.50, 0.52]"),
        (Estimate(0.51234), ".3f", "0.512"),
        (Estimate(12345678.0, None, (1e7, 2e7)), "", "12345678.0 [10000000.0, 20000000.0]"),
        (Estimate(-0.0123, 0.01, (-0.02, 0.001)), "+.1%", "-1.2% [-2.0%, +0.1%]"),
        (Estimate(float("nan")), ".3f", "–"),
    ],
)
def test_an_estimate_is_written_with_its_interval_by_any_number_format(estimate, spec, text):
    assert f"{estimate:{spec}}" == text


def test_the_interval_of_a_mean_is_students():
    sample = np.array([0.1, 0.4, 0.2, 0.35])
    low, high = Estimate.of_mean(sample).ci95
    expected = ttest_1samp(sample, 0.0).confidence_interval(0.95)
    assert (low, high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_draws_too_far_apart_for_a_standard_error_have_none():
    estimate = Estimate.from_draws(1.0, [1.0, 1e200, 1e300])
    assert estimate.stderr is None
    assert estimate.ci95[1] > 1e200
    assert "inf" not in str(estimate)
