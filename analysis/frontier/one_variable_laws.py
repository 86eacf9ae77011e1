"""Kaplan's one-variable laws: alpha_N, alpha_D, alpha_C, each with what was held fixed."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import fit
from analysis.fitting.result import FitResult
from analysis.laws.registry import LAWS
from analysis.runs.budgets import budget_groups
from analysis.to_json import document
from scaling_harness.errors import HarnessError

MIN_POINTS = 4
SAME_VALUE = 0.02  # relative: a size or a token budget is the same
Variable = Literal["N", "D", "C"]


@dataclass(frozen=True)
class OneVariableLaw:
    """L ~ X^-alpha on one slice of the runs.

    Attributes
    ----------
    variable : "N", "D" or "C"
    held_fixed : str
        What the slice holds fixed, in words; or why there is no slice.
    plain, offset : FitResult or None
        Without and with an irreducible loss E; None if there are too few points.
    points : DataFrame
        The variable and L.
    """

    variable: Variable
    held_fixed: str
    plain: FitResult | None
    offset: FitResult | None
    points: pd.DataFrame


@document.register
def _(law: OneVariableLaw) -> dict[str, Any]:
    """Alpha without E as value and ci95, the fit with E beside it."""
    alpha = law.plain.params["alpha"] if law.plain else Estimate(float("nan"))
    with_offset = law.offset.params if law.offset else None
    return {**document(alpha), "held_fixed": law.held_fixed, "n_points": len(law.points), "with_offset": with_offset}


def one_variable_laws(
    cells: pd.DataFrame, frontier: pd.DataFrame, resamples: int = 1000, unit: str = "token"
) -> dict[str, OneVariableLaw]:
    """Fit L(N), L(D) and L(C).

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`.
    frontier : DataFrame
        C and loss of the compute-optimal points (approach 2's minima).
    resamples : int
        Resamples of the residuals for the intervals.
    unit : str
        What a token is, "byte" or "token", for the words.

    Returns
    -------
    dict
        "alpha_N": the D that most sizes reach. "alpha_D": the size with most token budgets.
        "alpha_C": the frontier. A pure power law's alpha is the slope of the total loss
        (E = 0): not comparable with Chinchilla's alpha and beta (literature: T18).
    """
    by_n, words_n = across_sizes(cells, unit)
    by_d, words_d = _along_tokens(cells)
    by_c = pd.DataFrame({"C": frontier["C"], "L": frontier["loss"]})
    return {
        "alpha_N": _power_law("N", by_n, words_n, resamples),
        "alpha_D": _power_law("D", by_d, words_d, resamples),
        "alpha_C": _power_law("C", by_c, "N and D both optimal: the minimum of each budget", resamples),
    }


def across_sizes(cells: pd.DataFrame, unit: str = "token") -> tuple[pd.DataFrame, str]:
    """Losses of many sizes at one D, and what was held fixed, in words.

    An IsoFLOP grid trains no two sizes on the same D; there ln L is interpolated linearly in ln D
    between finished runs of one size. The D is the one that most sizes reach, the largest among equals.
    """
    sizes = [cells.iloc[rows].sort_values("D") for rows in budget_groups(cells.N.to_numpy(), SAME_VALUE)]
    least, most = np.array([(size.D.iloc[0], size.D.iloc[-1]) for size in sizes]).T
    reach = [int(_reaches(least, most, d).sum()) for d in cells.D]
    d_fixed = float(max(zip(reach, cells.D, strict=True))[1])
    rows = [_at_tokens(sizes[i], d_fixed) for i in np.flatnonzero(_reaches(least, most, d_fixed))]
    points = pd.DataFrame(rows, columns=["N", "L", "interpolated"])
    share = f"{points.interpolated.sum()} of {len(points)} sizes interpolated between finished runs"
    return points, f"D = {d_fixed:.4g} {unit}s" + (f" ({share})" if points.interpolated.any() else "")


def _reaches(least: Array, most: Array, d_fixed: float) -> Rows:
    """Which sizes were trained to a D at or below this one and to one at or above it."""
    return (least <= d_fixed * (1 + SAME_VALUE)) & (d_fixed <= most * (1 + SAME_VALUE))


def _at_tokens(size: pd.DataFrame, d_fixed: float) -> tuple[float, float, bool]:
    """N, L and whether L was interpolated."""
    interpolated = float(np.abs(np.log(size.D / d_fixed)).min()) > SAME_VALUE
    loss = np.exp(np.interp(np.log(d_fixed), np.log(size.D), size.log_loss))
    return float(size.N.mean()), float(loss), interpolated


def _along_tokens(cells: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The size trained on most token budgets, the largest among equals."""
    sizes = [cells.iloc[rows] for rows in budget_groups(cells.N.to_numpy(), SAME_VALUE)]
    best = max(sizes, key=lambda size: (size.D.nunique(), size.N.mean()))
    return best.sort_values("D"), f"N = {best.N.mean():.4g} parameters"


def _power_law(variable: Variable, points: pd.DataFrame, held_fixed: str, resamples: int) -> OneVariableLaw:
    if len(points) < MIN_POINTS - (variable == "C"):
        words = f"{len(points)} points at {held_fixed}: too few for an exponent"
        return OneVariableLaw(variable, words, None, None, points)
    name = f"kaplan_l{variable.lower()}"
    try:
        plain = fit(name, points, resample="noise", resamples=resamples)
    except HarnessError as error:
        return OneVariableLaw(variable, f"{held_fixed}: {error}", None, None, points)
    offset = None
    if len(points) > len(LAWS[f"{name}_offset"].params):
        offset = fit(f"{name}_offset", points, resample="noise", resamples=resamples)
    return OneVariableLaw(variable, held_fixed, plain, offset, points)
