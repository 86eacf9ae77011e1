"""Norms of covariances beside those of a chain whose transitions are known."""

import numpy as np
import pytest

from scaling_harness.data.correlations import lag_correlations
from scaling_harness.errors import UserError
from tests.scaling_harness.data.test_ngrams import chain


def test_norms_are_those_of_the_transitions_and_noise_is_not_added():
    P, law, tokens = chain(1500, np.random.default_rng(2))
    lags = (1, 2, 4, 30)
    found = lag_correlations(tokens, lags, 3)
    for each, n in zip(found, lags, strict=True):
        exact = np.linalg.norm(np.diag(law) @ np.linalg.matrix_power(P, n) - np.outer(law, law), 2)
        assert each.n == n
        assert abs(each.norm - exact) < 5 * each.error
    assert found[0].norm > 50 * found[0].error
    assert abs(found[-1].norm) < 4 * found[-1].error  # the counted norm would be above 0


def test_what_cannot_be_measured_is_said():
    with pytest.raises(UserError, match="a vocabulary of 5000 tokens is above the limit of 1024"):
        lag_correlations(np.zeros((4, 9), int), [1], 5000)
    with pytest.raises(UserError, match="two halves of the sequences, and there is one"):
        lag_correlations(np.zeros((1, 9), int), [1], 2)
