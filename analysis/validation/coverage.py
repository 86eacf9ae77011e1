"""Do the intervals of forecasts hold what came? Counted by window: the cells of one budget share one error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from analysis.fitting.estimate import CI_LEVEL
from analysis.laws.law import Law
from analysis.to_json import document
from analysis.validation.discrepancy import TAU
from analysis.validation.mixture import (
    FORMS,
    Interval,
    Mixture,
    Window,
    cells_of,
    expanding_fits,
    fit_forms,
    forecast_rows,
    mixture_of,
    spread,
    windows_of,
)
from scaling_harness.errors import HarnessError

MIXTURE = "mixture"


@dataclass(frozen=True)
class WindowCoverage:
    """What the 95 % intervals of one forecaster did in one window.

    Attributes
    ----------
    forecaster : str
        Name of a law, which forecasts without a discrepancy as if it were the truth; or "mixture".
    holds : bool
        Whether the mean ln loss of the cells held out lies inside its interval: a window counts once.
    cells_inside, n_cells : int
        Cells inside their own intervals: they share one error, and are no independent trials.
    mean_abs_rel_error : float
        Of the cells, from the medians.
    width, cell_width : float
        Of the interval of the mean and, on average, of a cell, in ln loss: about relative to the loss.
    score : float
        Interval score of the mean, in ln loss; smaller is better.
    weights : mapping of str to float
        Of the mixture's forms.
    """

    forecaster: str
    holds: bool
    cells_inside: int
    n_cells: int
    mean_abs_rel_error: float
    width: float
    cell_width: float
    score: float
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class HeldShare:
    """How many windows hold, with the exact binomial (Clopper and Pearson 1934) 95 % interval of their share."""

    held: int
    windows: int
    ci95: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.held} of {self.windows} windows ({self.ci95[0]:.0%} to {self.ci95[1]:.0%})"


def held_share(held: int, windows: int) -> HeldShare:
    """The share of windows that hold, with its exact interval.

    Parameters
    ----------
    held, windows : int
        Those that hold, of how many.

    Returns
    -------
    HeldShare
    """
    tail = (1 - CI_LEVEL) / 2
    low = float(betaincinv(held, windows - held + 1, tail)) if held else 0.0
    high = float(betaincinv(held + 1, windows - held, 1 - tail)) if held < windows else 1.0
    return HeldShare(held, windows, (low, high))


def alone(window: Window, name: str) -> Interval:
    """Intervals of one law, with the error of its parameters and the noise of runs, and no discrepancy."""
    return Mixture((window.components[name],), np.ones((len(window.observed_Kq), 1))).interval()


def judge_alone(window: Window, name: str) -> WindowCoverage:
    """What the intervals of one law by itself did.

    Parameters
    ----------
    window : Window
        Of one sweep.
    name : str
        Name of a law that was fitted to it.

    Returns
    -------
    WindowCoverage
    """
    return _judged(name, window, alone(window, name), {})


def judge_mixture(
    window: Window, before: Sequence[Window], forms: Sequence[Law] = FORMS, tau: float = TAU
) -> WindowCoverage:
    """What the intervals of the mixture did, weighted by the windows before.

    Parameters
    ----------
    window : Window
        Of one sweep.
    before : sequence of Window
        Those that had been seen.
    forms : sequence of Law
        Of the mixture.
    tau : float
        Of the discrepancy.

    Returns
    -------
    WindowCoverage

    Raises
    ------
    HarnessError
        No form could be fitted.
    """
    mixture = mixture_of(window, before, forms, tau)
    return _judged(MIXTURE, window, mixture.interval(), mixture.weights_of_first)


def _judged(name: str, window: Window, interval: Interval, weights: Mapping[str, float]) -> WindowCoverage:
    observed = window.observed_Kq
    inside, width = interval.holds(observed)[0], interval.width[0]
    error = np.abs(np.expm1(interval.median - observed)[0, :-1]).mean()
    return WindowCoverage(
        forecaster=name,
        holds=bool(inside[-1]),
        cells_inside=int(inside[:-1].sum()),
        n_cells=len(inside) - 1,
        mean_abs_rel_error=float(error),
        width=float(width[-1]),
        cell_width=float(width[:-1].mean()),
        score=float(interval.score(observed)[0, -1]),
        weights=weights,
    )


@dataclass(frozen=True)
class HoldoutCoverage:
    """What the intervals of a law by itself and of the mixture did on the budgets held out, and over all windows.

    Attributes
    ----------
    alone, mixture : WindowCoverage
    alone_windows, mixture_windows : HeldShare
        Over every window in which they could be fitted: up to each budget, the next forecast; of several budgets held
        out, the one so many ahead.
    mixture_error : float
        Mean absolute relative error of the mixture over those windows.
    tau : float
        The discrepancy that the mixture had.
    intervals : DataFrame
        Of each cell held out (or 200 of a budget), by its index, losses: ``low`` and ``high`` of the law alone, and
        ``mixture``, ``mixture_low`` and ``mixture_high`` of the mixture.
    windows : tuple of Window
        The next budget each, forecast from those before.
    """

    alone: WindowCoverage
    mixture: WindowCoverage
    alone_windows: HeldShare
    mixture_windows: HeldShare
    mixture_error: float
    tau: float
    intervals: pd.DataFrame
    windows: tuple[Window, ...]


@document.register
def _(coverage: HoldoutCoverage) -> dict[str, Any]:
    names = ("alone", "mixture", "alone_windows", "mixture_windows", "mixture_error", "tau")
    return {name: getattr(coverage, name) for name in names}


def cover(bands: Sequence[pd.DataFrame], law: Law, n_budgets: int = 1) -> HoldoutCoverage:
    """Judge the intervals of a law and of the mixture on the last budgets, and over expanding windows.

    Parameters
    ----------
    bands : sequence of DataFrame
        Cells of each budget, ascending.
    law : Law
        Judged by itself.
    n_budgets : int
        Budgets held out.

    Returns
    -------
    HoldoutCoverage

    Raises
    ------
    HarnessError
        The law, or every form of the mixture, has too few cells for an interval.
    """
    cells, forms = cells_of(bands), (*FORMS, *([] if law in FORMS else [law]))
    fits, n_kept = expanding_fits(cells, forms), len(bands) - n_budgets
    fitted, reasons = fits[n_kept] if n_kept in fits else fit_forms(cells, forms, n_kept)
    window = replace(forecast_rows(cells, fitted, n_kept, np.concatenate(cells.bands[n_kept:])), reasons=reasons)
    if law.name not in window.components:
        raise HarnessError(window.reasons[law.name])
    windows = windows_of(cells, fits)  # the next budget each, which weigh the forms
    before = [each for each in windows if each.n_kept < n_kept]
    mixture = mixture_of(window, before, FORMS, TAU).interval()
    by_itself = alone(window, law.name)
    each = {"low": by_itself.low, "high": by_itself.high, "mixture": mixture.median}
    rows = pd.concat([spread(band) for band in bands[n_kept:]]).index
    each |= {"mixture_low": mixture.low, "mixture_high": mixture.high}
    far = windows_of(cells, fits, n_budgets)
    mixed = [judge_mixture(w, windows[:i]) for i, w in enumerate(far) if w.can_mix(FORMS)]
    single = [judge_alone(w, law.name) for w in far if law.name in w.components]
    return HoldoutCoverage(
        alone=judge_alone(window, law.name),
        mixture=judge_mixture(window, before),
        alone_windows=_held(single),
        mixture_windows=_held(mixed),
        mixture_error=float(np.mean([judged.mean_abs_rel_error for judged in mixed])),
        tau=TAU,
        intervals=pd.DataFrame({name: np.exp(ends[0, :-1]) for name, ends in each.items()}, index=rows),
        windows=tuple(windows),
    )


def _held(judged: Sequence[WindowCoverage]) -> HeldShare:
    return held_share(sum(each.holds for each in judged), len(judged))


def coverage_sentence(coverage: HoldoutCoverage) -> str:
    """The intervals beside the error, in one sentence."""
    one, many = coverage.alone, coverage.mixture
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in many.weights.items())
    return (
        f"95 % intervals by {one.forecaster} alone: {one.cells_inside} of {one.n_cells} cells inside, mean width "
        f"{one.cell_width:.1%}, {coverage.alone_windows} hold; by the mixture ({weights}) with a discrepancy of "
        f"{coverage.tau:g} ln(C/C_max): {many.cells_inside} of {many.n_cells} inside, mean width "
        f"{many.cell_width:.1%}, "
        f"{coverage.mixture_windows} hold, mean error {many.mean_abs_rel_error:.2%} here and "
        f"{coverage.mixture_error:.2%} over the windows"
    )
