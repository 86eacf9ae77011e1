"""Training curves of runs: what was logged, and the losses along a run."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.runs.from_archive import archived_curve, in_archive
from analysis.runs.selection import Runs
from scaling_harness.record.atomic_files import rows_until_damage, rows_with_fields

SMOOTHING_STEPS = 10
CUT = "cut"
MIN_POINTS = 5  # validation losses a curve needs; with fewer the smoothed training loss is used

_AT_ONCE = 1000  # curves

GRADIENT = ("tokens", "step", "grad_sq", "grad_trace")

Points = tuple[Array, Array]
"""Tokens and loss (nats) along one run."""
_NOTHING: Points = (np.empty(0), np.empty(0))


def load_curve(run: Mapping[str, Any] | pd.Series | Path | str) -> pd.DataFrame:
    """Training curve of a run.

    Parameters
    ----------
    run : Series or path
        A row of ``Runs.frame``, or a `metrics.jsonl`.

    Returns
    -------
    DataFrame
        step, tokens, flops, loss, lr, grad_norm and, if it was measured, valid_loss (nats). A damaged line ends it, as
        `attrs[CUT]` says.
    """
    rows, cut = _read_rows(Path(run if isinstance(run, str | Path) else str(run["curve_path"])))
    curve = pd.DataFrame(rows)
    if cut:
        curve.attrs[CUT] = cut
    return curve


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a curve, and a sentence if it is cut."""
    if in_archive(path.parent):
        return archived_curve(path), None
    rows, damaged = rows_until_damage(path.read_bytes()) if path.exists() else ([], None)
    return rows, f"line {damaged} of {path} is damaged: the curve of this run is cut there" if damaged else None


def smooth_gaussian(values: Array, window: float = SMOOTHING_STEPS) -> Array:
    """Gaussian mean over steps; ``window`` is two standard deviations, edges use what is there."""
    half = int(np.ceil(2 * window))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / (window / 2)) ** 2)
    total = np.convolve(values, kernel, mode="full")[half : half + len(values)]
    return total / np.convolve(np.ones(len(values)), kernel, mode="full")[half : half + len(values)]


def curve_points(curve: pd.DataFrame) -> Points:
    """Tokens and loss of a curve: validation losses, or the smoothed training loss without them."""
    tokens = _column(curve, "tokens")
    points = _measured(tokens, _column(curve, "valid_loss"))
    if len(points[0]) >= MIN_POINTS:
        return points
    tokens, loss = _measured(tokens, _column(curve, "loss"))
    return tokens, smooth_gaussian(loss) if len(loss) else loss


def _measured(tokens: Array, loss: Array) -> Points:
    measured = np.isfinite(loss) & (loss > 0) & (tokens > 0)
    return tokens[measured], loss[measured]


def _column(curve: pd.DataFrame, name: str) -> Array:
    """A column as floats, NaN where it was not logged or is no number."""
    return (
        np.asarray(pd.to_numeric(curve[name], errors="coerce"), float) if name in curve else np.full(len(curve), np.nan)
    )


class Curves(dict[object, Points]):
    """Tokens and loss along runs, by their index in the frame.

    Attributes
    ----------
    gradients : dict
        By the same index, a row of `GRADIENT` for each measurement of the gradient's noise.
    notes : tuple of str
        Which curves were cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gradients: dict[object, Array] = {}
        self.notes: tuple[str, ...] = ()


def curves_of(runs: Runs, share: Callable[[Sequence[Callable[[], Any]]], list[Any]] | None = None) -> Curves:
    """Tokens and loss of every run that has a readable curve; a damaged line ends it, with a note.

    ``share`` makes calls that do not depend on each other, here by default; one call reads at most a thousand curves.
    """
    paths = runs.frame["curve_path"] if "curve_path" in runs.frame else pd.Series(dtype=str)
    calls = [partial(_read_all, list(paths[first : first + _AT_ONCE])) for first in range(0, len(paths), _AT_ONCE)]
    read = share(calls) if share else [call() for call in calls]
    curves = Curves()
    for index, (points, gradients, cut) in zip(paths.index, chain.from_iterable(read), strict=True):
        curves.notes += (cut,) if cut else ()
        if len(points[0]):
            curves[index] = points
            curves.gradients[index] = gradients
    return curves


def _read_all(paths: Sequence[str]) -> list[tuple[Points, Array, str | None]]:
    return [_read_measured(Path(path)) for path in paths]


def _read_measured(path: Path) -> tuple[Points, Array, str | None]:
    """What was measured along a run, its gradients, and a sentence if the curve is cut.

    The rows of single steps, most of the file, are parsed only if there are too few evaluations.
    """
    content = path.read_bytes() if not in_archive(path.parent) and path.exists() else b""
    if measured := rows_with_fields(content, ("valid_loss", "grad_sq")):
        evaluations, gradients = measured
        points = _measured(_numbers(evaluations, "tokens"), _numbers(evaluations, "valid_loss"))
        if len(points[0]) >= MIN_POINTS:
            return points, _gradients_of(gradients), None
    rows, cut = _read_rows(path)
    few = len(rows) < MIN_POINTS
    return (_NOTHING if few else _points_of(rows)), _gradients_of([row for row in rows if "grad_sq" in row]), cut


def _points_of(rows: list[dict[str, Any]]) -> Points:
    """As `curve_points`; a table of every row and column takes many times as long."""
    evaluations = [row for row in rows if "valid_loss" in row]
    points = _measured(_numbers(evaluations, "tokens"), _numbers(evaluations, "valid_loss"))
    return points if len(points[0]) >= MIN_POINTS else curve_points(pd.DataFrame(rows))


def _gradients_of(rows: list[dict[str, Any]]) -> Array:
    """Measurements in which nothing is missing."""
    table = np.array([_numbers(rows, name) for name in GRADIENT]).T.reshape(-1, len(GRADIENT))
    return table[~np.isnan(table).any(axis=1)]


def _numbers(rows: list[dict[str, Any]], name: str) -> Array:
    values = [row.get(name) for row in rows]
    try:
        return np.array(values, float)
    except (TypeError, ValueError):
        return np.asarray(pd.to_numeric(pd.Series(values), errors="coerce"), float)
