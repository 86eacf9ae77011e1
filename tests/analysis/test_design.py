import numpy as np
import pytest

from analysis.design import check_rows, n_levels
from analysis.laws import chinchilla
from scaling_harness.errors import HarnessError

RNG = np.random.default_rng(0)
N, D = np.exp(RNG.uniform(15, 20, 30)), np.exp(RNG.uniform(18, 23, 30))
LOSS = np.full(30, 3.0)


def test_a_sound_design_passes_without_a_word():
    assert check_rows(chinchilla, {"N": N, "D": D}, LOSS) == []


def test_one_level_is_refused():
    with pytest.raises(HarnessError, match="same N = 1e"):
        check_rows(chinchilla, {"N": np.full(30, 1e6), "D": D}, LOSS)


def test_inputs_collinear_in_logs_are_refused_naming_what_is_identified():
    with pytest.raises(HarnessError, match=r"collinear.*\+0.707 ln N \+0.707 ln D|collinear.*-0.707 ln N -0.707 ln D"):
        check_rows(chinchilla, {"N": N, "D": 20 * N}, LOSS)


@pytest.mark.parametrize("value", [-1.0, np.nan, 0.0, np.inf])
def test_losses_that_are_not_positive_numbers_are_refused(value):
    with pytest.raises(HarnessError, match="1 of 30 rows have a loss"):
        check_rows(chinchilla, {"N": N, "D": D}, np.where(np.arange(30) == 4, value, LOSS))


def test_two_levels_are_warned_of():
    two = np.where(np.arange(30) % 2, 1e6, 3e6)
    assert any("few levels: 2 values of N" in s for s in check_rows(chinchilla, {"N": two, "D": D}, LOSS))


def test_millions_and_perplexities_are_warned_of():
    in_millions = check_rows(chinchilla, {"N": N / 1e6, "D": D}, 10 * LOSS)
    assert any("tokens per parameter" in sentence for sentence in in_millions)
    assert any("perplexity" in sentence for sentence in in_millions)


def test_nearly_equal_values_are_one_level():
    assert n_levels(np.array([1e6, 1.01e6, 2e6, 2.01e6, 5e6])) == 3
