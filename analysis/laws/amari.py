"""Amari, Fujita and Shinomoto 1992: four types of learning curves, c/D, c/D^2, c/D^(1/2) and E + c/D.

D is the number of examples, the loss the probability of a wrong decision by a machine drawn from those that the
examples allow. Their rates follow from the annealed approximation, in which the average over examples is taken inside
the logarithm; a machine that is simulated need not have them. `annealed` is idealised once more: every direction of the
parameters counts alike, and errors are their first power in the distance from the best.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.laws.law import Law, Term
from scaling_harness.errors import UserError


@dataclass(frozen=True)
class CurveType:
    """One of the four types.

    Attributes
    ----------
    number : int
        As in the paper.
    exponent : float
        p of E + c/D^p.
    floor : bool
        Whether E is above zero.
    machine : str
        What learns what.
    """

    number: int
    exponent: float
    floor: bool
    machine: str

    @property
    def formula(self) -> str:
        """The curve."""
        power = {1.0: "D", 2.0: "D^2", 0.5: "D^(1/2)"}[self.exponent]
        return f"{'E + ' if self.floor else ''}c/{power}"


TYPES = (
    CurveType(1, 1.0, False, "deterministic machine, noiseless teacher, one correct parameter"),
    CurveType(2, 2.0, False, "deterministic machine, noiseless teacher, correct parameters of finite measure"),
    CurveType(3, 0.5, False, "deterministic machine, noisy teacher"),
    CurveType(4, 1.0, True, "stochastic machine, noisy teacher"),
)

amari = Law(
    name="amari",
    formula="L(D) = E + c/D^p",
    source="Amari, Fujita, Shinomoto 1992, with p free; Hestness et al. 2017",
    terms=(Term("c", {"D": "p"}),),
)


def type_numbered(number: int) -> CurveType:
    """A type by its number.

    Raises
    ------
    UserError
        There is none.
    """
    if number not in range(1, len(TYPES) + 1):
        raise UserError(f"there is no type {number} of learning curves: Amari et al. have 1 to {len(TYPES)}")
    return TYPES[number - 1]


def learning_curve(number: int, n_examples: ArrayLike, c: float, floor: float = 0.0) -> Array:
    """Loss of a type in its limit of many examples.

    Parameters
    ----------
    number : int
        1 to 4.
    n_examples : array_like
        D.
    c, floor : float
        c and E.

    Returns
    -------
    ndarray

    Raises
    ------
    UserError
        No such type, or a floor of a type that has none.
    """
    kind = type_numbered(number)
    if floor and not kind.floor:
        raise UserError(f"type {number}, {kind.formula}, has no floor: E = {floor:g} is of type 4, give 0")
    return floor + c * np.asarray(n_examples, float) ** -kind.exponent


def annealed(
    number: int, n_examples: ArrayLike, *, n_params: float = 1.0, correct_share: float = 0.1, floor: float = 0.3
) -> Array:
    """Loss at any number of examples by the annealed integral, idealised.

    A machine at a distance x from the best, of prior weight x^(n_params - 1) on [0, 1], agrees with an example with a
    chance 1 - x of a noiseless teacher and in proportion to 1 - x^2 of a noisy one, whose mean is smooth at its best.
    Averaged over machines that have agreed with D examples, type 1 errs by x, type 2 too, but a share of the machines
    has x = 0 and the others lie beyond a wall, in one direction; type 3 by x; type 4, which answers by chance, by
    floor + x^2. The integrals are Beta functions.

    Parameters
    ----------
    number : int
        1 to 4.
    n_examples : array_like
        D, 0 and more.
    n_params : float
        Directions of the parameters; of type 2 there is one.
    correct_share : float
        Of type 2: prior weight of the correct machines.
    floor : float
        Of type 4: E.

    Returns
    -------
    ndarray
        Tends to `learning_curve` with c = n_params; (1 - correct_share) / correct_share; 1 / sqrt(pi) for one
        parameter; n_params / 2.

    Raises
    ------
    UserError
        No such type, or no share between 0 and 1.
    """
    type_numbered(number)
    if not 0 < correct_share < 1:
        raise UserError(f"the correct share is {correct_share:g}: give one between 0 and 1")
    D, d = np.asarray(n_examples, float), n_params
    if number == 1:
        return d / (D + d + 1)
    if number == 2:
        odds = correct_share / (1 - correct_share)
        return 1 / ((D + 1) * (D + 2)) / (odds + 1 / (D + 1))
    if number == 3:
        from scipy.special import betaln  # the registry of laws imports this module, and needs numpy alone

        return np.exp(betaln((d + 1) / 2, D + 1) - betaln(d / 2, D + 1))
    return floor + (d / 2) / (D + 1 + d / 2)
