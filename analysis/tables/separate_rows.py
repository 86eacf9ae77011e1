"""What tells the rows of a table apart: copies, seeds, settings, and checkpoints of one run."""

from collections.abc import Collection, Iterable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from analysis.tables.column_names import (
    PROGRESS,
    SEEDS,
    SETTINGS,
    STATES,
    all_called,
    is_index,
    is_result,
    labels,
    last_part,
    plain,
)

SETTING_ID = "setting_id"
"""Column that numbers the settings where those of one N and D differ; without it they do not."""
VALUES_SHOWN = 4
COPY = "the same run is in the table twice"
NOT_BEST = "another setting has a lower mean loss at this N and D (--best-of loss)"


def copies(file: pd.DataFrame) -> list[Any]:
    """Index labels of the rows that repeat an earlier one in every cell; numbers of rows do not count."""
    compared: Any = file[[name for name in file.columns if not is_index(name)]]
    hashable = {name: compared[name].map(str) for name in compared if compared[name].dtype == object}
    return list(file.index[compared.assign(**hashable).duplicated()])


def settings_of(file: pd.DataFrame, cells: Any, taken: Collection[str]) -> list[str]:
    """Columns in which rows of one N and D differ and that are no seeds, names, states, steps or results.

    Parameters
    ----------
    file : DataFrame
        As in the file.
    cells : Series
        Number of each row's (N, D).
    taken : collection of str
        Columns that have another meaning already.

    Returns
    -------
    list of str
        A column whose name is not known is a setting where its values come back in other rows.
    """
    several = cells.duplicated(keep=False)
    if not several.any():
        return []
    other = {*taken, *labels(file.columns), *all_called(file.columns, (*SEEDS, *STATES, *PROGRESS))}
    names = [name for name in file if name not in other and not is_index(name) and not is_result(name)]
    return [name for name in names if _varies(file.loc[several, name].map(str), cells[several], _known_setting(name))]


def _known_setting(name: str) -> bool:
    return plain(name) in SETTINGS or last_part(name) in SETTINGS


def _varies(values: Any, cells: Any, known: bool) -> bool:
    """Whether a column differs within a cell, with values that are met at least twice on average."""
    return bool((values.groupby(cells).nunique() > 1).any()) and (known or 2 * values.nunique() <= len(values))


def number_settings(file: pd.DataFrame, settings: Sequence[str]) -> Any:
    """Number of each row's combination of settings."""
    return file[list(settings)].map(str).groupby(list(settings), sort=False).ngroup()


def settings_sentence(file: pd.DataFrame, settings: Sequence[str]) -> str:
    """Say that rows of one N and D are no seeds."""
    shown = [f"{name} ({_values(file[name])})" for name in settings]
    return (
        f"rows of one N and D differ in {', '.join(shown)}: these are settings and no seeds, each row is fitted as it "
        "is; `--best-of loss` keeps the best setting of each N and D by its mean over seeds"
    )


def _values(column: Any) -> str:
    values = [str(value) for value in column.drop_duplicates()]
    return ", ".join(values[:VALUES_SHOWN]) + (", ..." if len(values) > VALUES_SHOWN else "")


def best_settings(frame: pd.DataFrame, setting: str) -> tuple[list[Any], list[str]]:
    """Find the runs that do not have the best setting of their N and D.

    Parameters
    ----------
    frame : DataFrame
        N, D, L and the setting.
    setting : str
        Column that names the settings.

    Returns
    -------
    list
        Index labels of the rows with another setting than that of the lowest mean of ln L over seeds, among the
        settings that have most seeds.
    list of str
        Of how many settings the best is taken, and by how much that reads low.
    """
    log_loss: Any = np.log(frame["L"].astype(float))
    others, tried, seeds = [], [], []
    for rows in frame.groupby(["N", "D"]).groups.values():
        by_setting = log_loss[rows].groupby(frame.loc[rows, setting])
        means, sizes = by_setting.mean(), by_setting.size()
        best = means[sizes == sizes.max()].idxmin()
        others += list(rows[frame.loc[rows, setting] != best])
        tried.append(len(means))
        seeds.append(int(sizes.max()))
    return others, _luck(tried, seeds)


def _luck(tried: list[int], seeds: list[int]) -> list[str]:
    """Say that the best of several is low by luck: by the mean of the least of k normal draws (Blom 1958)."""
    k, n_seeds = int(np.median(tried)), int(np.median(seeds))
    if k < 2:
        return []
    low = -NormalDist().inv_cdf((1 - 0.375) / (k + 0.25)) / np.sqrt(n_seeds)
    each = "single runs" if n_seeds == 1 else f"means over {n_seeds} seeds"
    return [
        f"the best of {k} settings at each N and D, by {each}: where the settings are alike it reads up to {low:.1f} "
        "standard deviations of a run low" + ("; more seeds would lower that" if n_seeds == 1 else "")
    ]


def checkpoint_column(frame: pd.DataFrame, names: Iterable[str]) -> str | None:
    """Column whose rows of one value are checkpoints of one run: one N, and another D or C each.

    Parameters
    ----------
    frame : DataFrame
        N, D and C, those that are known, beside the columns of the file.
    names : iterable of str
        Columns that may name runs.
    """
    return next((name for name in names if name in frame and _are_checkpoints(frame, name)), None)


def _are_checkpoints(frame: pd.DataFrame, name: str) -> bool:
    named: Any = frame[frame[name].notna()]
    runs = named.groupby(named[name].map(str))
    several = runs.size()
    if several.max() < 2 or len(several) < 2:
        return False
    one_size = "N" not in frame or (runs["N"].max() <= runs["N"].min() * (1 + 1e-9)).all()
    return bool(one_size and (runs[_grows(frame)].nunique() == several).all())


def _grows(frame: pd.DataFrame) -> str:
    """What rises along a run."""
    return "D" if "D" in frame else "C"


def checkpoint_sentence(frame: pd.DataFrame, column: str) -> str:
    """Say that rows are no independent runs."""
    what = f"one N and rising {_grows(frame)}" if "N" in frame else f"rising {_grows(frame)}"
    return (
        f"{len(frame)} rows share {frame[column].nunique()} names in column {column!r}, with {what}: they "
        f"look like checkpoints, not like independent runs; `fit --clusters {column}` draws the rows of a run together"
    )


def maybe_checkpoints(file: pd.DataFrame, frame: Any) -> list[str]:
    """A sentence where steps rise with D at one N and no column names the runs."""
    steps = [name for name in all_called(file.columns, PROGRESS) if pd.api.types.is_numeric_dtype(file[name])]
    if not steps or not {"N", "D"} <= set(frame) or not (frame.groupby("N")["D"].nunique() > 1).any():
        return []
    ordered = frame.assign(step=file[steps[0]]).sort_values(["N", "D"])
    rising = ordered.groupby("N")["step"].apply(lambda steps: steps.is_monotonic_increasing and steps.nunique() > 1)
    if not rising.all():
        return []
    return [
        f"{steps[0]} rises with D at every N: if these are checkpoints of one run a size, they are no independent "
        "runs, and `fit --clusters N` draws those of a size together"
    ]
