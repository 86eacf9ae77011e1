"""The tidy table of runs that every fit reads, from a sweep's records or from a table."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.runs.from_records import find_run_dirs, find_trunks, is_sweep, read_rows, with_losses
from analysis.runs.selection import Runs, Selection, first_reasons, select, with_count, without
from analysis.tables.read_table import parse_columns, read_table
from scaling_harness.errors import HarnessError
from scaling_harness.record.archive import locate


def load_runs(
    path: Path | str, selection: Selection | None = None, *, columns: str | Mapping[str, str] | None = None
) -> Runs:
    """Read a sweep directory, an archive or a table.

    Parameters
    ----------
    path : Path or str
        A sweep directory (or any directory with records below it), an archive (.runs.zst, or `archive:NAME`), or a
        file of `analysis.tables.files.read_file`, such as .csv, .json or .parquet.
    selection : Selection, optional
        Which runs are taken, and which parameters N counts; the usual by default.
    columns : str or mapping, optional
        For a table: "N=Model Size,C=Training FLOP,loss=loss", or the same as a mapping; see `parse_columns`.

    Returns
    -------
    Runs

    Raises
    ------
    UserError
        Nothing there, a column missing, or runs of several recipes, data sets or tokenizers.
    HarnessError
        No run is left.
    """
    path, selection = locate(path), selection or Selection()
    if is_sweep(path):
        runs = _from_records(path, selection)
    else:
        named = parse_columns(columns) if isinstance(columns, str) else columns
        runs = _from_table(path, named)
    return select(runs, selection, str(path))


def read_all(path: Path | str) -> pd.DataFrame:
    """Every finished run below a directory as a row, whatever its status or recipe."""
    frame, _ = read_rows(find_run_dirs(locate(path)))
    if not frame.empty:
        frame, _ = with_losses(frame, "test")
    return frame.drop(columns="science", errors="ignore")


def _from_records(directory: Path, selection: Selection) -> Runs:
    frame, unread = read_rows(find_run_dirs(directory))
    if frame.empty:
        raise HarnessError(f"no run of {directory} has finished: {first_reasons(unread)}")
    frame, said = with_losses(frame, selection.split)
    runs = Runs(with_count(frame, selection.count), tuple(unread), selection.count, (said,))
    trunks = frame.index[frame.run_id.isin(find_trunks(directory, frame))]
    return without(runs, dict.fromkeys(trunks, "a trunk: its learning rate has not decayed"))


def _from_table(path: Path, columns: Mapping[str, str] | None) -> Runs:
    table = read_table(path, columns)
    known = {"columns": table.columns, "settings": table.settings, "checkpoints": table.checkpoints}
    return without(Runs(table.frame, notes=table.notes, **known), table.reasons)
