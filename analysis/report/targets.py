"""What a sweep wanted of its law before it was trained, and what it got."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.fitting.estimate import Estimate
from analysis.report.summary import Analysis
from analysis.runs.budgets import budget_groups


@dataclass(frozen=True)
class Aim:
    """One number wanted, and the one measured.

    Attributes
    ----------
    name : str
        From `MEASURES`.
    what : str
        What was measured.
    wanted : str
    measured : float or None
        None if the runs do not tell.
    met : bool
    """

    name: str
    what: str
    wanted: str
    measured: float | None
    met: bool


Measured = Iterator[tuple[str, float | None]]
"""What was measured, and its value."""


def judge(analysis: Analysis, limits: Mapping[str, float]) -> list[Aim]:
    """Hold an analysis against the aims of its sweep.

    Parameters
    ----------
    analysis : Analysis
        From `summary.analyse`.
    limits : mapping
        Name of `MEASURES` to its limit: a least value of `AT_LEAST`, else a largest one.

    Returns
    -------
    list of Aim
        In the order of the limits; several for an aim of each approach. One that was not measured is not met.
    """
    return [
        _aim(name, what, limit, value) for name, limit in limits.items() for what, value in MEASURES[name](analysis)
    ]


def _aim(name: str, what: str, limit: float, value: float | None) -> Aim:
    least = name in AT_LEAST
    wanted = f"at {'least' if least else 'most'} {limit:g}"
    if value is None or not np.isfinite(value):
        return Aim(name, what, wanted, None, False)
    return Aim(name, what, wanted, value, bool(value >= limit * (1 - ROUNDING) if least else value <= limit))


def _budgets(analysis: Analysis) -> Measured:
    usable = [piece for piece in analysis.approaches.slices if piece.problem is None]
    yield "budgets with a bracketed minimum", len(usable)


def _decades(analysis: Analysis) -> Measured:
    C = analysis.approaches.cells.C.to_numpy()
    budgets = [C[rows].mean() for rows in budget_groups(C)]
    yield "decades of compute", float(np.log10(budgets[-1] / budgets[0]))


def _ratio(analysis: Analysis) -> Measured:
    declared = analysis.declared
    yield f"residuals over the noise of seeds, {declared.fit.law_name}", declared.quality.ratio


def _half_widths(analysis: Analysis) -> Measured:
    for name, each in analysis.approaches.approaches.items():
        yield f"half-width of a, approach {name}", _half(each.a)


def _half_width(name: str) -> Callable[[Analysis], Measured]:
    def measured(analysis: Analysis) -> Measured:
        yield f"half-width of a, approach {name}", _half(analysis.approaches.approaches[name].a)

    return measured


def _half(estimate: Estimate) -> float | None:
    return None if estimate.ci95 is None else (estimate.ci95[1] - estimate.ci95[0]) / 2


def _differences(analysis: Analysis) -> Measured:
    for pair, apart in analysis.approaches.differences.items():
        end = None if apart.ci95 is None else float(np.abs(apart.ci95).max())
        yield f"farther end of the interval of a {pair.replace('-', ' - ')}", end


def _gap(analysis: Analysis) -> Measured:
    yield "gap in compute of the forecast", analysis.holdout.gap if analysis.holdout else None


def _error(analysis: Analysis) -> Measured:
    yield "mean error of the forecast", analysis.holdout.mean_abs_rel_error if analysis.holdout else None


def _skill(analysis: Analysis) -> Measured:
    held = analysis.holdout
    yield "skill against the better naive forecast", min(held.skill, held.skill_power_law) if held else None


def _offset(analysis: Analysis) -> Measured:
    declared = analysis.declared
    yield f"lower end of the profile interval of E, {declared.fit.law_name}", declared.profile.ci95[0]


def _offset_half_width(analysis: Analysis) -> Measured:
    closest = analysis.closest
    low, high = closest.profile.ci95
    yield f"half-width of the profile interval of E, {closest.fit.law_name}", (high - low) / 2


def _best_ratio(analysis: Analysis) -> Measured:
    closest = analysis.closest
    yield f"residuals over the noise of seeds, best form ({closest.fit.law_name})", closest.quality.ratio


def _windows_error(analysis: Analysis) -> Measured:
    covered = analysis.holdout.coverage if analysis.holdout else None
    yield "mean error of the mixture's forecasts over all windows", covered.mixture_error if covered else None


def _windows_skill(against: str, words: str) -> Callable[[Analysis], Measured]:
    def measured(analysis: Analysis) -> Measured:
        covered = analysis.holdout.coverage if analysis.holdout else None
        skill = None
        if covered and analysis.ranking is not None:
            windows = analysis.ranking.windows.drop_duplicates("budget").tail(covered.mixture_windows.windows)
            skill = 1 - covered.mixture_error / float(np.mean(windows[against]))
        yield f"skill of the mixture over all windows against {words}", skill

    return measured


def _windows_missed(analysis: Analysis) -> Measured:
    covered = analysis.holdout.coverage if analysis.holdout else None
    share = covered.mixture_windows if covered else None
    yield "windows outside the mixture's 95 % interval", share.windows - share.held if share else None


MEASURES: Mapping[str, Callable[[Analysis], Measured]] = {
    "budgets": _budgets,
    "decades": _decades,
    "residual_ratio": _ratio,
    "half_width": _half_widths,
    "half_width_1": _half_width("1"),
    "half_width_2": _half_width("2"),
    "half_width_3": _half_width("3"),
    "difference": _differences,
    "forecast_gap": _gap,
    "forecast_error": _error,
    "forecast_skill": _skill,
    "offset": _offset,
    "offset_half_width": _offset_half_width,
    "best_residual_ratio": _best_ratio,
    "windows_error": _windows_error,
    "windows_skill_last": _windows_skill("error_last_budget", "the last budget's loss"),
    "windows_skill_power": _windows_skill("error_power_law", "a power law in C"),
    "windows_missed": _windows_missed,
}
AT_LEAST = frozenset({"budgets", "decades", "forecast_gap", "forecast_skill", "offset"})
AT_LEAST |= {"windows_skill_last", "windows_skill_power"}
ROUNDING = 0.01
"""Budgets are whole steps: a gap of 3.99 is one of 4."""
