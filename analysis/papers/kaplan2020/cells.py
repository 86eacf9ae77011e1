"""Runs that differ in a setting, as means over their seeds, with the noise between seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.papers.figure import LackingRunsError

LOSS = "loss_nats_"
OWN_TEXTS = ("valid", "test")


def cells_of(frame: pd.DataFrame, settings: Sequence[str], others: Sequence[str] = ()) -> tuple[pd.DataFrame, float]:
    """Average the seeds of each setting at each N and D.

    Parameters
    ----------
    frame : DataFrame
        Of `Evidence.runs`.
    settings : sequence of str
        Columns of the settings in which runs differ.
    others : sequence of str
        Further columns of losses.

    Returns
    -------
    cells : DataFrame
        The settings, N, D, geometric means L and ``others``, n_seeds.
    noise : float
        Standard deviation of ln L between seeds, pooled; NaN without a cell of two.

    Raises
    ------
    LackingRunsError
        The runs do not say their settings.
    """
    if missing := [name for name in settings if name not in frame]:
        raise LackingRunsError(f"the runs do not say their {', '.join(missing)}")
    losses = ["L", *others]
    logs = frame.assign(**{name: np.log(frame[name].astype(float)) for name in losses})
    grouped = logs.groupby([*settings, "N", "D"], dropna=False, as_index=False)
    cells = grouped.agg(**{name: (name, "mean") for name in losses}, n_seeds=("L", "size"), sd=("L", "std"))
    dof = (cells["n_seeds"] - 1).to_numpy(float)
    spread = float(np.nansum(dof * cells["sd"].to_numpy(float) ** 2))
    noise = np.sqrt(spread / dof.sum()) if dof.sum() else np.nan
    return cells.assign(**{name: np.exp(cells[name]) for name in losses}), float(noise)


def other_texts(frame: pd.DataFrame) -> list[str]:
    """Columns of the final losses on other distributions than the runs' own that every run has."""
    named = [str(name) for name in frame if str(name).startswith(LOSS)]
    return [
        name for name in named if name.removeprefix(LOSS) not in OWN_TEXTS and not np.asarray(frame[name].isna()).any()
    ]


def text_words(column: str) -> str:
    """A text as legends name it, by the column of its loss; L is of the runs' own."""
    return "held-out text" if column == "L" else column.removeprefix(LOSS)
