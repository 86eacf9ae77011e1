import numpy as np
import pytest

from analysis.fitting.identifiability import check_rows, n_levels
from analysis.laws.chinchilla import chinchilla
from analysis.laws.constrained import hold
from analysis.laws.loglinear import loglinear
from scaling_harness.errors import HarnessError

RNG = np.random.default_rng(0)
N, D = np.exp(RNG.uniform(15, 20, 30)), np.exp(RNG.uniform(18, 23, 30))
LOSS = np.linspace(2.9, 3.1, 30)


def test_a_sound_design_passes_without_a_word():
    assert check_rows(chinchilla, {"N": N, "D": D}, LOSS) == []


def test_one_level_is_refused():
    with pytest.raises(HarnessError, match="same N = 1e"):
        check_rows(chinchilla, {"N": np.full(30, 1e6), "D": D}, LOSS)


def test_inputs_collinear_in_logs_are_refused_naming_what_is_identified():
    with pytest.raises(HarnessError, match=r"collinear.*\+0.707 ln N \+0.707 ln D|collinear.*-0.707 ln N -0.707 ln D"):
        check_rows(chinchilla, {"N": N, "D": 20 * N}, LOSS)


def test_one_size_and_two_multiples_of_it_identify_the_sum_of_the_exponents():
    """The explainer's example has N, C = 2e12 N and D = 100 N: of .08, .03 and .10 the sum, .21, is all there is."""
    n = np.geomspace(1e5, 1e8, 20)
    loss = 100 * n**-0.08 * (2e12 * n) ** -0.03 * (100 * n) ** -0.10
    with pytest.raises(HarnessError, match=r"N, C, D are collinear.*: alpha \+ beta \+ gamma = 0\.21;"):
        check_rows(loglinear, {"N": n, "C": 2e12 * n, "D": 100 * n}, loss)
    with pytest.raises(HarnessError, match=r"or hold what follows .* --fix beta=0,gamma=0$"):
        check_rows(loglinear, {"N": n, "C": 2e12 * n, "D": 100 * n}, loss)
    held = hold(loglinear, {"beta": 0.0, "gamma": 0.0})
    assert check_rows(held, {"N": n, "C": 2e12 * n, "D": 100 * n}, loss) == []


def test_compute_that_is_6nd_leaves_two_sums_of_exponents():
    loss = 100 * N**-0.08 * (6 * N * D) ** -0.03 * D**-0.10
    with pytest.raises(HarnessError, match=r"identified: alpha \+ beta = 0\.11 and gamma \+ beta = 0\.13;"):
        check_rows(loglinear, {"N": N, "C": 6 * N * D, "D": D}, loss)
    with pytest.raises(HarnessError, match=r"identified: alpha \+ 0\.5 beta = 0\.\d+ and gamma - 2 beta = "):
        check_rows(loglinear, {"N": N, "C": 6 * N**0.5 / D**2, "D": D}, loss)


def test_compute_rounded_to_three_digits_is_warned_of():
    rounded = np.array([float(f"{c:.2e}") for c in 6 * N * D])
    (sentence,) = check_rows(loglinear, {"N": N, "C": rounded, "D": D}, LOSS)
    assert "nearly collinear in logs" in sentence
    assert check_rows(loglinear, {"N": N, "C": 6 * N * D * np.exp(RNG.normal(0, 0.3, 30)), "D": D}, LOSS) == []


def test_one_loss_is_refused():
    with pytest.raises(HarnessError, match="all runs have the same loss, 3:"):
        check_rows(chinchilla, {"N": N, "D": D}, np.full(30, 3.0))


def test_as_many_rows_as_parameters_are_warned_of():
    (sentence,) = check_rows(chinchilla, {"N": N[:5], "D": D[:5]}, LOSS[:5])
    assert "5 runs for 5 parameters" in sentence


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


def test_an_accuracy_in_place_of_a_loss_is_warned_of():
    accuracy = 1 / (1 + np.exp(-2 * (np.log10(N) - 7.5)))
    assert any("rise with N, as an accuracy" in s for s in check_rows(chinchilla, {"N": N, "D": D}, accuracy))
    assert not any("accuracy" in s for s in check_rows(chinchilla, {"N": N, "D": D}, 1.001 - accuracy))


def test_nearly_equal_values_are_one_level():
    assert n_levels(np.array([1e6, 1.01e6, 2e6, 2.01e6, 5e6])) == 3
