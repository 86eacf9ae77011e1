"""Variance components of branches: what the branches of one trunk share, and what each has of its own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array

ENOUGH_SIZES = 4
"""Sizes with two seeds from which the shared part is known well enough to go without a warning."""


@dataclass(frozen=True)
class TrunkEffect:
    """Standard deviations of ln L over seeds.

    Attributes
    ----------
    sd_trunk : float
        Of what all branches of one size and seed have in common.
    sd_branch : float
        Of what each branch has of its own.
    n_sizes : int
        Sizes whose seeds tell.
    """

    sd_trunk: float
    sd_branch: float
    n_sizes: int

    def dof_of(self, dof: int, n_budgets: float) -> int:
        """Degrees of freedom that squares of correlated noise are worth, of as many budgets a trunk (Satterthwaite)."""
        return max(1, round(dof / (1 + (n_budgets - 1) * self.share**2)))

    @property
    def share(self) -> float:
        """Share of the variance that branches of one trunk have in common: the correlation of their noise."""
        total = self.sd_trunk**2 + self.sd_branch**2
        return self.sd_trunk**2 / total if total else 0.0

    def sentence(self) -> str:
        """What was estimated, and from how much."""
        weak = "" if self.n_sizes >= ENOUGH_SIZES else f"; {ENOUGH_SIZES} or more are needed to know it well"
        return (
            f"branches of one trunk share {self.share:.0%} of the variance of seeds (trunks {self.sd_trunk:.2%}, "
            f"branches {self.sd_branch:.2%} of the loss, from {self.n_sizes} sizes with several seeds{weak}): noise is "
            "drawn accordingly"
        )


def trunk_effect(frame: pd.DataFrame) -> TrunkEffect | None:
    """Estimate both components by the mean squares of seeds and of what is left, pooled over sizes.

    Parameters
    ----------
    frame : DataFrame
        One row a run: N, D, L, seed and trunk, which is empty for a run that is no branch.

    Returns
    -------
    TrunkEffect or None
        None without branches, or if no size has two seeds at two budgets.
    """
    if not {"seed", "trunk"} <= set(frame) or np.asarray(frame["trunk"].isna()).all():
        return None
    squares = [found for _, size in frame.groupby("N") if (found := _mean_squares(size)) is not None]
    if not squares:
        return None
    n_budgets, dof_seed, of_seeds, dof_rest, of_rest = np.array(squares).T
    branch = float(of_rest.sum() / dof_rest.sum())
    trunk = float((of_seeds - dof_seed * branch).sum() / (dof_seed * n_budgets).sum())
    return TrunkEffect(max(trunk, 0.0) ** 0.5, branch**0.5, len(squares))


def _mean_squares(size: pd.DataFrame) -> tuple[float, float, float, float, float] | None:
    """Number of budgets that all seeds have; degrees of freedom and sum of squares of seeds, and of the rest."""
    logs = size.assign(log_loss=np.log(np.asarray(size["L"], float)))
    table = logs.pivot_table(index="seed", columns="D", values="log_loss").dropna(axis=1)
    n_seeds, n_budgets = table.shape
    if n_seeds < 2 or n_budgets < 2:
        return None
    apart: Array = table.to_numpy() - table.to_numpy().mean(axis=0)
    of_seeds = apart.mean(axis=1)
    rest = apart - of_seeds[:, None]
    dof = n_seeds - 1
    return n_budgets, dof, n_budgets * float((of_seeds**2).sum()), dof * (n_budgets - 1), float((rest**2).sum())
