"""Amari's four curves, and the annealed integrals of which they are the limits."""

import numpy as np
import pytest
from scipy.integrate import quad

from analysis.laws.amari import TYPES, annealed, learning_curve
from scaling_harness.errors import UserError


def mean_error(error, agrees, n_examples, n_params):
    """Error averaged over machines that have agreed with every example, by quadrature."""

    def weight(x):
        return x ** (n_params - 1) * agrees(x) ** n_examples

    above, below = (quad(lambda x, f=f: f(x) * weight(x), 0, 1, epsabs=1e-14)[0] for f in (error, lambda _: 1.0))
    return above / below


@pytest.mark.parametrize("n_params", [1, 3])
@pytest.mark.parametrize("n_examples", [0, 5, 60])
def test_closed_forms_are_the_integrals(n_examples, n_params):
    first = mean_error(lambda x: x, lambda x: 1 - x, n_examples, n_params)
    third = mean_error(lambda x: x, lambda x: 1 - x * x, n_examples, n_params)
    fourth = 0.2 + mean_error(lambda x: x * x, lambda x: 1 - x * x, n_examples, n_params)
    found = [annealed(k, n_examples, n_params=n_params, floor=0.2) for k in (1, 3, 4)]
    assert found == pytest.approx([first, third, fourth], rel=1e-7)


def test_correct_machines_of_finite_measure_share_the_weight():
    """A tenth of the machines is right; of the others 1 - x agrees with each of 7 examples."""
    wrong = 0.9 * quad(lambda x: x * (1 - x) ** 7, 0, 1)[0]
    all_of_them = 0.1 + 0.9 * quad(lambda x: (1 - x) ** 7, 0, 1)[0]
    assert annealed(2, 7, correct_share=0.1) == pytest.approx(wrong / all_of_them)


@pytest.mark.parametrize(("number", "c"), [(1, 4.0), (2, 9.0), (3, np.pi**-0.5), (4, 0.5)])
def test_of_many_examples_the_integrals_are_the_four_curves(number, c):
    D, n_params = np.array([1e6, 1e7]), 4 if number == 1 else 1
    limit = learning_curve(number, D, c, 0.3 if number == 4 else 0.0)
    np.testing.assert_allclose(annealed(number, D, n_params=n_params, floor=0.3), limit, rtol=1e-4)
    assert TYPES[number - 1].formula == ["c/D", "c/D^2", "c/D^(1/2)", "E + c/D"][number - 1]


def test_what_no_type_has_is_refused():
    with pytest.raises(UserError, match="no type 5"):
        learning_curve(5, 10, 1.0)
    with pytest.raises(UserError, match=r"type 3, c/D\^\(1/2\), has no floor: E = 0.1 is of type 4"):
        learning_curve(3, 10, 1.0, floor=0.1)
    with pytest.raises(UserError, match="share is 1: give one between 0 and 1"):
        annealed(2, 10, correct_share=1.0)
