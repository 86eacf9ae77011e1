"""Which law forecasts best? Expanding windows: fit the smaller budgets, forecast the next, over and over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.fitting.goodness_of_fit import fit_quality, law_point
from analysis.fitting.objective import Objective
from analysis.laws.law import Law
from analysis.laws.registry import LAWS
from analysis.runs.replicates import seed_noise
from analysis.validation.coverage import judge_alone
from analysis.validation.holdout import budget_bands, forecast_bands
from analysis.validation.mixture import MIN_BUDGETS_LEFT, cells_of, forecast_window
from scaling_harness.errors import HarnessError


@dataclass(frozen=True)
class Ranking:
    """Laws in the order of their forecast error.

    Attributes
    ----------
    table : DataFrame
        law, mean_abs_rel_error, skill, skill_power_law, windows, windows_inside, residual_ratio and lack_of_fit_p, best
        first. All
        laws are judged on the same windows; skills are 1 - error / error of 'the last budget's loss', or of a power
        law in C, over all of them. ``windows_inside`` counts those whose mean ln loss the law's own 95 % interval
        holds, see `coverage.judge_alone`. The last two set the residuals of all cells beside the noise of their seeds,
        see `goodness_of_fit.FitQuality`; None without replicates.
    windows : DataFrame
        law, budget, gap, n_fit, n_held_out, mean_abs_rel_error, error_last_budget, error_power_law, holds,
        cells_inside; the last two None if too few cells are fitted for an interval.
    excluded : tuple of {"what", "reason"}
        Laws and windows left out.
    """

    table: pd.DataFrame
    windows: pd.DataFrame
    excluded: tuple[dict[str, str], ...]


def rank_laws(cells: pd.DataFrame, laws: Sequence[Law] = tuple(LAWS.values()), ahead: int = 1) -> Ranking:
    """Rank laws by the errors of their forecasts.

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`.
    laws : sequence of Law
        Those that these runs allow are ranked, the others excluded with the reason.
    ahead : int
        Which budget after those fitted each window forecasts; those between are in neither.

    Returns
    -------
    Ranking

    Raises
    ------
    HarnessError
        Too few budgets for one window, or no law that can be fitted.
    """
    bands = [cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())]
    if len(bands) - ahead < MIN_BUDGETS_LEFT:
        n_out = "one" if ahead == 1 else str(ahead)
        raise HarnessError(f"{len(bands)} budgets cannot spare {n_out} for a forecast: {MIN_BUDGETS_LEFT} must stay")
    ends = range(MIN_BUDGETS_LEFT + ahead, len(bands) + 1)
    windows = {end: [*bands[: end - ahead], bands[end - 1]] for end in ends}
    rows: list[dict[str, Any]] = []
    reasons: dict[tuple[str, int], str] = {}
    for law in laws:
        for end in ends:
            try:
                rows.append(_row(law, windows[end]))
            except HarnessError as error:
                reasons[law.name, end] = str(error)
    failed = {law.name for law in laws if all((law.name, end) in reasons for end in ends)}
    if len(failed) == len(laws):
        raise HarnessError("no law can be fitted to the smaller budgets: " + next(iter(reasons.values())))
    lost = {end for name, end in reasons if name not in failed}
    excluded = [{"what": name, "reason": reasons[name, ends[-1]]} for name in sorted(failed)]
    excluded += [
        {"what": f"window {end - ahead} budgets, {name}", "reason": reason}
        for (name, end), reason in reasons.items()
        if name not in failed
    ]
    budgets = {float(bands[end - 1].C.max()) for end in ends if end not in lost}
    shared = [row for row in rows if row["budget"] in budgets]
    table = _with_quality(_table(shared), cells, {law.name: law for law in laws})
    return Ranking(table, pd.DataFrame(rows), tuple(excluded))


def _row(law: Law, bands: list[pd.DataFrame]) -> dict[str, Any]:
    """How a law fitted to all budgets but the last forecasts the last."""
    held = forecast_bands(bands, law)
    names = ("budget", "gap", "n_fit", "n_held_out", "mean_abs_rel_error", "error_last_budget", "error_power_law")
    row = {"law": law.name, **{name: getattr(held, name) for name in names}, "holds": None, "cells_inside": None}
    start = {name: np.array([value]) for name, value in held.params.items()}
    window = forecast_window(cells_of(bands), (law,), len(bands) - 1, starts={law.name: start})
    if law.name not in window.components:
        return row
    judged = judge_alone(window, law.name)
    return row | {"holds": judged.holds, "cells_inside": judged.cells_inside}


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    ranked = []
    for law in dict.fromkeys(row["law"] for row in rows):
        mine = [row for row in rows if row["law"] == law]
        error, last, power = (
            float(np.mean([row[name] for row in mine]))
            for name in ("mean_abs_rel_error", "error_last_budget", "error_power_law")
        )
        inside = sum(bool(row["holds"]) for row in mine)
        ranked.append((law, error, 1 - error / last, 1 - error / power, len(mine), inside))
    ranked.sort(key=lambda row: row[1])
    columns = ["law", "mean_abs_rel_error", "skill", "skill_power_law", "windows", "windows_inside"]
    return pd.DataFrame(ranked, columns=columns)


def _with_quality(table: pd.DataFrame, cells: pd.DataFrame, laws: Mapping[str, Law]) -> pd.DataFrame:
    """The table with each law's residuals over all cells against seed noise."""
    noise = seed_noise(cells)
    qualities = [
        fit_quality(law, cells, noise, law_point(law, cells, Objective()).residual_rms)
        for law in map(laws.get, table.law)
        if law
    ]
    ratios = np.array([each.ratio for each in qualities], object)
    return table.assign(
        residual_ratio=ratios, lack_of_fit_p=np.array([each.lack_of_fit_p for each in qualities], object)
    )
