"""Two sweeps as two ways to the same law: what each reached, for how much compute and time. From records alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.goodness_of_fit import fit_quality
from analysis.frontier.approaches import Approaches, three_approaches
from analysis.laws.law import Law
from analysis.report.summary import elapsed_s, or_reason
from analysis.runs.budgets import budget_groups
from analysis.runs.load import load_runs
from analysis.runs.selection import Runs, Selection
from analysis.to_json import document
from analysis.validation.holdout import hold_out_budgets
from scaling_harness.text_table import print_columns

APPROACHES = ("2", "3")
"""Their intervals measure a law's quality; approach 1 needs validation curves, which a plain loop may not have."""
MAY_DIFFER = ("optim.lr", "budget.batch_tokens")
"""Settings that a search may have chosen for each size."""
SAME_BUDGET = 0.05
"""Largest difference in ln C of budgets that are compared."""


@dataclass(frozen=True)
class Reached:
    """What a side had after some time.

    Attributes
    ----------
    seconds : float
        Seconds in which at least one of its runs was training.
    n_runs : int
        Runs finished by then.
    train_flops, n_tokens : float
        Sums over those runs, 6ND with head.
    best_loss : float
        Their lowest loss, nats a token.
    half_widths : mapping
        Half-width of the 95 % interval of a by approach 2 and 3, if they have one.
    residual_ratio : float or None
        Residuals over what the spread of seeds implies.
    forecast_error : float or None
        Mean relative error for the largest budget, left out.
    reason : str or None
        Why there is no law, or no forecast.
    """

    seconds: float
    n_runs: int
    train_flops: float
    n_tokens: float
    best_loss: float
    half_widths: Mapping[str, float]
    residual_ratio: float | None
    forecast_error: float | None
    reason: str | None

    @property
    def half_width(self) -> float | None:
        """The wider of both approaches; None if one has none."""
        return max(self.half_widths.values()) if len(self.half_widths) == len(APPROACHES) else None


@document.register
def _(reached: Reached) -> dict[str, Any]:
    derived = {"half_width": reached.half_width, "tokens_per_s": reached.n_tokens / reached.seconds}
    return vars(reached) | derived


@dataclass(frozen=True)
class TimeToLaw:
    """Ours and the baseline.

    Attributes
    ----------
    ours, baseline : Reached
        What each reached in all its time.
    baseline_then : Reached or None
        After as many seconds as ours took in all; None before its first run.
    losses : tuple of dict
        Lowest loss of either at each budget that both have.
    best_loss_s, half_width_s : tuple of float or None
        Seconds in which ours, and the baseline, reached our lowest loss and our half-width of a; None: never.
    """

    ours: Reached
    baseline: Reached
    baseline_then: Reached | None
    losses: tuple[dict[str, float], ...]
    best_loss_s: tuple[float | None, float | None]
    half_width_s: tuple[float | None, float | None]


def compare(ours: Path, baseline: Path, law: Law, resamples: int = 200) -> TimeToLaw:
    """Hold two sweeps side by side.

    Parameters
    ----------
    ours, baseline : Path
        Sweep directories; finished or not.
    law : Law
        Law of the residuals and the forecast; approach 3 is Chinchilla's.
    resamples : int
        Resamples of the intervals.

    Returns
    -------
    TimeToLaw

    Raises
    ------
    HarnessError
        One of them has no run that can be fitted.
    """
    us, them = (load_runs(path, Selection(may_differ=MAY_DIFFER)) for path in (ours, baseline))
    at_us, at_them = _ends(us.frame), _ends(them.frame)
    our_steps, steps = (
        [_reached(runs, ends, seconds, law, resamples) for seconds in _milestones(runs.frame, ends)]
        for runs, ends in ((us, at_us), (them, at_them))
    )
    whole = our_steps[-1]
    then = _reached(them, at_them, whole.seconds, law, resamples) if at_them.min() <= whole.seconds else None
    return TimeToLaw(
        ours=whole,
        baseline=steps[-1],
        baseline_then=then,
        losses=tuple(_losses(us.frame, them.frame)),
        best_loss_s=(_first(us.frame, at_us, whole.best_loss), _first(them.frame, at_them, whole.best_loss)),
        half_width_s=(_law_by(our_steps, whole.half_width), _law_by(steps, whole.half_width)),
    )


def _ends(frame: pd.DataFrame) -> Array:
    """Seconds of training until each run had ended, pauses left out."""
    ended = pd.to_datetime(frame.ended)
    return np.array([elapsed_s(frame.loc[ended <= end]) for end in ended], float)


def _milestones(frame: pd.DataFrame, ends: Array) -> list[float]:
    """Seconds at which a budget was complete with all before it, and the last of all."""
    done = np.maximum.accumulate([ends[rows].max() for rows in budget_groups(frame.C.to_numpy())])
    return sorted({*done.tolist(), float(ends.max())})


def _reached(runs: Runs, ends: Array, seconds: float, law: Law, resamples: int) -> Reached:
    part = runs.where(ends <= seconds)
    approaches, no_law = or_reason(lambda: three_approaches(part, beside=(law,), curves={}, resamples=resamples))
    held, no_forecast = or_reason(lambda: hold_out_budgets(approaches.cells, law)) if approaches else (None, None)
    rms = approaches.beside.get(law.name, approaches.parametric).residual_rms if approaches else 0.0
    return Reached(
        seconds=float(ends[ends <= seconds].max()),
        n_runs=len(part),
        train_flops=float(part.frame.C.sum()),
        n_tokens=float(part.frame.D.sum()),
        best_loss=float(part.frame.L.min()),
        half_widths=_half_widths(approaches) if approaches else {},
        residual_ratio=fit_quality(law, approaches.cells, approaches.noise, rms).ratio if approaches else None,
        forecast_error=held.mean_abs_rel_error if held else None,
        reason=no_law or no_forecast,
    )


def _half_widths(approaches: Approaches) -> dict[str, float]:
    intervals = {name: approaches.approaches[name].a.ci95 for name in APPROACHES}
    return {name: (ends[1] - ends[0]) / 2 for name, ends in intervals.items() if ends and np.isfinite(ends).all()}


def _first(frame: pd.DataFrame, ends: Array, loss: float) -> float | None:
    """Seconds until a run had a loss as low."""
    reached = ends[frame.L.to_numpy() <= loss]
    return float(reached.min()) if len(reached) else None


def _law_by(steps: Sequence[Reached], half_width: float | None) -> float | None:
    """Seconds until the law was as narrow."""
    if half_width is None:
        return None
    return next((s.seconds for s in steps if s.half_width is not None and s.half_width <= half_width), None)


def _losses(ours: pd.DataFrame, baseline: pd.DataFrame) -> list[dict[str, float]]:
    return [
        {"train_flops": C, "ours": loss, "baseline": other_loss}
        for C, loss in _lowest(ours)
        for other_C, other_loss in _lowest(baseline)
        if abs(np.log(C / other_C)) < SAME_BUDGET
    ]


def _lowest(frame: pd.DataFrame) -> list[tuple[float, float]]:
    """C and the lowest mean over seeds of each budget."""
    cells = frame.groupby(["N", "D"], as_index=False).agg(C=("C", "mean"), L=("L", "mean"))
    groups = budget_groups(cells.C.to_numpy())
    return [(float(cells.C.iloc[rows].mean()), float(cells.L.iloc[rows].min())) for rows in groups]


def print_comparison(comparison: TimeToLaw) -> None:
    """Both sides as a table, then losses and times."""
    sides = {
        "ours": comparison.ours,
        "baseline, as long": comparison.baseline_then,
        "baseline, in all": comparison.baseline,
    }
    header = ("side", "minutes", "runs", "FLOPs", "tokens/s", "best loss")
    header += (*(f"a +- by {name}" for name in APPROACHES), "residuals/noise", "forecast error")
    print_columns(header, [[name, *_cells(side)] for name, side in sides.items() if side])
    print_columns(
        ("FLOPs of a budget", "ours", "baseline"),
        [[f"{row['train_flops']:.3g}", f"{row['ours']:.4f}", f"{row['baseline']:.4f}"] for row in comparison.losses],
    )
    for name, side in sides.items():
        if side and side.reason:
            print(f"{name}: {side.reason}")
    print(f"our lowest loss, {comparison.ours.best_loss:.4f}: {_times(comparison.best_loss_s, comparison)}")
    width = comparison.ours.half_width
    print(
        "no half-width"
        if width is None
        else f"our half-width of a, {width:.3f}: {_times(comparison.half_width_s, comparison)}"
    )


def _cells(side: Reached) -> list[str]:
    quality = [*(side.half_widths.get(name) for name in APPROACHES), side.residual_ratio, side.forecast_error]
    numbers = [f"{side.seconds / 60:.1f}", str(side.n_runs), f"{side.train_flops:.3g}"]
    numbers += [f"{side.n_tokens / side.seconds:,.0f}", f"{side.best_loss:.4f}"]
    return numbers + ["-" if value is None else f"{value:.3g}" for value in quality]


def _times(seconds: tuple[float | None, float | None], comparison: TimeToLaw) -> str:
    ours, baseline = seconds
    mine = "never" if ours is None else f"ours after {ours / 60:.1f} minutes"
    if baseline is None:
        return f"{mine}, the baseline not in {comparison.baseline.seconds / 60:.1f} minutes"
    times = "" if ours is None else f", {baseline / ours:.1f} times as long"
    return f"{mine}, the baseline after {baseline / 60:.1f}{times}"
