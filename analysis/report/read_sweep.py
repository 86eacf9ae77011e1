"""Runs of a path for a report: what can be fitted of them, and what figures are drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from analysis.frontier.approach2_isoflop import slices
from analysis.frontier.common_compute import at_common_compute
from analysis.laws.chinchilla import chinchilla
from analysis.laws.registry import LAWS
from analysis.report.figures import Material
from analysis.report.second_process import Share, in_turn, second_process
from analysis.report.summary import Analysis, analyse
from analysis.runs.curves import Curves, curves_of
from analysis.runs.from_records import find_run_dirs, is_finished, is_sweep, listing_of, read_rows, with_losses
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Count, Runs, Selection, clean
from analysis.validation.coverage import MIXTURE
from analysis.validation.mixture import FORMS
from scaling_harness.errors import HarnessError
from scaling_harness.record.archive import locate
from scaling_harness.record.sweep_listing import SweepListing


@dataclass(frozen=True)
class Sweep:
    """What a path holds: its name and runs, why they cannot be fitted, how many were planned and are finished."""

    name: str
    runs: Runs
    reason: str | None
    listing: SweepListing | None
    planned: int
    finished: int

    @property
    def progress(self) -> str | None:
        """Said on top of the page while runs are missing."""
        if self.finished == self.planned:
            return None
        return f"incomplete: {self.finished} of {self.planned} runs finished"


def read_sweep(path: Path, selection: Selection, columns: str | Mapping[str, str] | None) -> Sweep:
    """Read the runs that can be fitted; or all that have finished, with the reason why they cannot.

    Parameters
    ----------
    path : Path
        A sweep directory, an archive or a table.
    selection : Selection
        Of runs, and the count of N.
    columns : str or mapping, optional
        Columns of a table, as for `load_runs`.

    Returns
    -------
    Sweep
    """
    if not is_sweep(path):
        runs = load_runs(path, selection, columns=columns)
        return Sweep(path.stem, runs, None, None, len(runs), len(runs))
    run_dirs = find_run_dirs(path)
    try:
        runs, reason = load_runs(path, selection), None
    except HarnessError as error:
        runs, reason = _unfitted(run_dirs, selection.count), str(error)
    listing = listing_of(path)
    name = listing.name if listing else path.stem
    return Sweep(name, runs, reason, listing, len(run_dirs), sum(map(is_finished, run_dirs)))


def _unfitted(run_dirs: list[Path], count: Count) -> Runs:
    """Finished runs of any recipe."""
    frame, unread = read_rows(run_dirs)
    if frame.empty:
        return Runs(pd.DataFrame(), tuple(unread), count)
    frame, said = with_losses(frame, "test")
    return clean(Runs(frame, tuple(unread), count, (said,)).with_count(count))


def analyse_sweep(
    sweep: Sweep, hold_out: int | None, resamples: int, share: Share = in_turn
) -> tuple[Analysis | None, str | None]:
    """Fit what can be fitted, with the law or the mixture that the sweep declares.

    Parameters
    ----------
    sweep : Sweep
        From `read_sweep`.
    hold_out : int or None
        Largest budgets left out for the forecast; None for what the sweep says, else 1.
    resamples : int
        Resamples of the intervals.
    share : callable
        Makes calls that do not depend on each other, see `second_process`.

    Returns
    -------
    analysis : Analysis or None
    reason : str or None
        Why there is none.
    """
    if sweep.reason is not None:
        return None, sweep.reason
    listing = sweep.listing
    hold_out = hold_out or (listing.hold_out if listing else 1)
    try:
        named = listing.law if listing else "chinchilla"
        law, beside = (chinchilla, FORMS) if named == MIXTURE else (LAWS[named], ())
        options = {"law": law, "beside": beside, "hold_out": hold_out, "resamples": resamples}
        analysis = analyse(sweep.runs, **options, share=share)
        return replace(analysis, forecaster=named), None
    except HarnessError as error:
        return None, str(error)


def material_from(runs: Runs, analysis: Analysis | None, reason: str | None) -> Material:
    """What figures are drawn from, if there is an analysis and if there is none.

    Parameters
    ----------
    runs : Runs
        Those of the analysis.
    analysis : Analysis or None
        None if no law could be fitted.
    reason : str or None
        Why there is none.

    Returns
    -------
    Material
    """
    if analysis is not None:
        approaches = analysis.approaches
        return Material(runs, analysis.curves, approaches.equal_compute, approaches.slices, analysis, None)
    if runs.frame.empty:
        return Material(runs, Curves(), pd.DataFrame(), (), None, reason)
    cells = at_common_compute(design_cells(runs.frame)).cells
    return Material(runs, curves_of(runs), cells, tuple(slices(cells)), None, reason)


def material_of(
    path: Path | str,
    *,
    count: Count = "with_head",
    columns: str | Mapping[str, str] | None = None,
    best_of: Literal["loss"] | None = None,
    resamples: int = 1000,
    fitted: bool = True,
) -> Material:
    """What the figures of a path are drawn from; see `write_report`.

    Parameters
    ----------
    path : Path or str
        A sweep directory, an archive or a table.
    count : {"with_head", "non_embedding", "total"}
        Which parameters N counts.
    columns : str or mapping, optional
        Columns of a table, as for `load_runs`.
    best_of : {"loss"}, optional
        See `Selection`.
    resamples : int
        Resamples of the intervals.
    fitted : bool
        Whether laws are fitted; some figures have no use for them.

    Returns
    -------
    Material
    """
    with second_process(resamples if fitted else 0) as share:
        sweep = read_sweep(locate(path), Selection(count, best_of=best_of), columns)
        analysis, reason = analyse_sweep(sweep, None, resamples, share) if fitted else (None, sweep.reason)
    return material_from(sweep.runs, analysis, reason)
