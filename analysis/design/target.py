"""What a design is to find out: the exponent a, or the best size at a budget."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.laws.law import Law, frontier
from scaling_harness.errors import UserError


@dataclass(frozen=True)
class Target:
    """One number of a law's frontier.

    Attributes
    ----------
    train_flops : float or None
        C at which the best size is wanted, in FLOP; None for the exponent a of N_opt ~ C^a.
    """

    train_flops: float | None = None

    def of(self, law: Law, params: Mapping[str, ArrayLike]) -> Array:
        """The number by a law with one term in N and one in D: a, or ln N_opt."""
        if self.train_flops is None:
            return frontier({name: np.asarray(value, float) for name, value in params.items()}, law)["a"]
        return np.log(law.optimal(params, self.train_flops).n_params)

    def __str__(self) -> str:
        return "a" if self.train_flops is None else f"N_opt at {self.train_flops:.3g} FLOP"

    def words(self, half_width: float) -> str:
        """A half-width: of a as it is, of N_opt as a share."""
        return f"{half_width:.3f}" if self.train_flops is None else f"{half_width:.1%}"


def target_named(text: str) -> Target:
    """Read `a` or `N_opt@C`.

    Raises
    ------
    UserError
        It is neither.
    """
    name, at, budget = text.partition("@")
    try:
        train_flops = float(budget) if at else None
    except ValueError:
        train_flops = -1.0
    if (name, at) not in (("a", ""), ("N_opt", "@")) or (train_flops is not None and not 0 < train_flops < np.inf):
        raise UserError(f"{text!r} is no target: give a, the exponent of N_opt ~ C^a, or N_opt@C, as in N_opt@1e15")
    return Target(train_flops)
