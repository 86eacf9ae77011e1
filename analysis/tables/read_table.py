"""Other people's tables, understood as they are written: columns by name, states, copies, settings, checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.tables import run_states, separate_rows, wandb_export
from analysis.tables.column_names import SEEDS, all_called, labels
from analysis.tables.columns import check_roles, parse_columns, take_columns
from analysis.tables.files import read_file, unique_names
from scaling_harness.errors import UserError

__all__ = ["Table", "parse_columns", "read_table"]


@dataclass(frozen=True)
class Table:
    """A table ready to be judged as runs.

    Attributes
    ----------
    frame : DataFrame
        All columns of the file, N, D, C, L as far as they are known, ``run`` (a name, or the row's number), and
        ``setting_id`` where rows of one N and D differ in more than their seed.
    reasons : mapping
        Index label of a row -> why it cannot be used.
    columns : mapping of str to str
        Letter -> what it was taken from.
    notes : tuple of str
        What was derived, passed over or is to be known, as sentences.
    settings : tuple of str
        Columns in which rows of one N and D differ, other than seeds.
    checkpoints : str or None
        Column whose rows of one value are checkpoints of one run.
    """

    frame: pd.DataFrame
    reasons: Mapping[Any, str]
    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    checkpoints: str | None = None


def read_table(path: Path, columns: Mapping[str, str] | None) -> Table:
    """Read a table and say what its columns and rows are.

    Parameters
    ----------
    path : Path
        See `files.read_file`; among them exports of Weights & Biases.
    columns : mapping of str to str, optional
        Letter or role -> column, of `parse_columns`. Without it, columns already called N, D, C, L (or loss).

    Returns
    -------
    Table

    Raises
    ------
    UserError
        The file cannot be read, the columns are not in it, or it is not known which runs have finished.
    """
    raw, passed, semicolons = read_file(path)
    file, charts = wandb_export.lengthen(unique_names(wandb_export.flatten(raw)))
    named = wandb_export.full_names(columns or {}, file.columns)
    try:
        check_roles(file, named)
        words = [word for word in named.get("finished", "").split("|") if word]
        states, asked = run_states.unfinished(file, named.get("state"), words)
        taken = take_columns(file, named, semicolons)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    copied = dict.fromkeys(separate_rows.copies(file), separate_rows.COPY)
    reasons = copied | dict(taken.unreadable) | states
    frame, derived = derive_third(taken.frame.assign(**_roles(file, named)))
    settings = _settings(file, frame, reasons, {*taken.sources, *named.values()})
    if settings:
        frame[separate_rows.SETTING_ID] = separate_rows.number_settings(file, settings)
    checkpoints, suspected = _checkpoints(file, frame.drop(index=list(reasons)), named.get("run"))
    notes = (*derived, *passed, *charts, *taken.notes, *asked, *suspected)
    return Table(frame, reasons, taken.columns, notes, settings, checkpoints)


def _roles(file: pd.DataFrame, named: Mapping[str, str]) -> dict[str, Any]:
    """Names of the runs, the number of the row where they have none; and seeds."""
    label = named.get("run") or next(iter(labels(file.columns)), None)
    numbers = [f"row {i + 1}" for i in range(len(file))]
    seed = named.get("seed") or next(iter(all_called(file.columns, SEEDS)), None)
    return {"run": file[label] if label else numbers} | ({"seed": file[seed]} if seed else {})


def _settings(file: pd.DataFrame, frame: pd.DataFrame, reasons: Mapping[Any, str], taken: set[str]) -> tuple[str, ...]:
    if not {"N", "D"} <= set(frame):
        return ()
    good = frame.drop(index=list(reasons))
    return tuple(separate_rows.settings_of(file.loc[good.index], good.groupby(["N", "D"]).ngroup(), taken))


def _checkpoints(file: pd.DataFrame, good: pd.DataFrame, run: str | None) -> tuple[str | None, list[str]]:
    """Column that names the runs of which the rows are checkpoints; without one, a sentence if they may be some."""
    if not {"D", "C"} & set(good) or good.empty:
        return None, []
    column = separate_rows.checkpoint_column(good, [run] if run else labels(file.columns))
    if column or wandb_export.has_one_row_a_run(file.columns):
        return column, []
    return None, separate_rows.maybe_checkpoints(file.loc[good.index], good)


def derive_third(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Fill in N, D or C from C = 6 N D where one of them is missing."""
    given = {"N", "D", "C"} & set(frame)
    if given == {"N", "C"}:
        return frame.assign(D=frame.C / (6 * frame.N)), ("D was not given: D = C / 6N",)
    if given == {"D", "C"}:
        return frame.assign(N=frame.C / (6 * frame.D)), ("N was not given: N = C / 6D",)
    if given == {"N", "D"}:
        return frame.assign(C=6 * frame.N * frame.D), ("C was not given: C = 6 N D",)
    return frame, ()
