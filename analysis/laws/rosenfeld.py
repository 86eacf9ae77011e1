"""Rosenfeld et al. 2020: power laws in N and D under an envelope that ends at the loss of a random guess.

Their joint form (eq. 4) is e = c_inf + A/N^alpha + B/D^beta, Chinchilla's; small models on few tokens leave it for
the random guess's error L_0, L = L_0 |e / (e - i eta)| (eq. 5). No runs identify all of these: s A, s B, s c_inf and
s eta have the same losses whatever s is. Here eta = L_0, so that e is the loss itself far below L_0; and E is the loss
of infinite N and D, as in every other law, from which c_inf follows.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.laws.general_law import GeneralLaw
from analysis.laws.law import Form, Inputs, Law, OwnParam, Term

NEAREST = 1 - 1e-6  # a loss over L_0 from which on the joint form counts as that of this loss
GUESS_STARTS = (1.03, 1.3, 2.5, 10.0)
"""L_0 over the largest loss."""


def envelope(joint: ArrayLike, guess: ArrayLike) -> Array:
    """Loss of a value of the joint form, L_0 |e / (e - i L_0)| (eq. 5 with eta = L_0)."""
    guess = np.asarray(guess, float)
    return guess / np.sqrt(1 + (guess / np.asarray(joint, float)) ** 2)


def joint_of(loss: ArrayLike, guess: ArrayLike) -> Array:
    """Value of the joint form that has a loss, the inverse of `envelope`.

    Parameters
    ----------
    loss, guess : array_like
        L and L_0, nats; a loss above L_0 counts as just below it.

    Returns
    -------
    ndarray
    """
    guess = np.asarray(guess, float)
    share = np.minimum(np.asarray(loss, float) / guess, NEAREST)
    return guess * share / np.sqrt(1 - share**2)


def from_paper(params: Mapping[str, float]) -> dict[str, float]:
    """Parameters of `rosenfeld` from those of eq. 4 and 5.

    Parameters
    ----------
    params : mapping
        a, alpha (of the data), b, beta (of the model), c_inf, eps_0, eta, as the paper names them.

    Returns
    -------
    dict
        alpha of N and beta of D, as elsewhere here.
    """
    scale = params["eps_0"] / params["eta"]
    return {
        "E": float(envelope(scale * params["c_inf"], params["eps_0"])),
        "A": scale * params["b"],
        "B": scale * params["a"],
        "alpha": params["beta"],
        "beta": params["alpha"],
        "L_0": params["eps_0"],
    }


def _predict(law: Law, params: Mapping[str, Array], inputs: Inputs) -> Array:
    guess = params["L_0"]
    return envelope(joint_of(params["E"], guess) + law.sum_of_terms(params, inputs), guess)


rosenfeld = Law(
    name="rosenfeld",
    formula="L(N,D) = L_0 |e/(e - i L_0)|, e = c_inf + A/N^alpha + B/D^beta",
    source="Rosenfeld et al. 2020, eq. 4 and 5 with eta = L_0, which no runs tell from the scale of A, B and c_inf",
    terms=(Term("A", {"N": "alpha"}), Term("B", {"D": "beta"})),
    batched=GeneralLaw,
    form=Form(
        predict=_predict,
        params={"L_0": OwnParam((1e-2, 1e3), lambda loss: tuple(factor * loss.max() for factor in GUESS_STARTS))},
        as_sum=lambda loss, own: joint_of(loss, own["L_0"]),
    ),
    derived=lambda params: {"c_inf": joint_of(params["E"], params["L_0"])},
)
