"""Other people's tables: CSV, JSONL or Parquet, with the columns named by the user."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.runs import from_wandb
from scaling_harness.errors import UserError

LETTERS = ("N", "D", "C", "L", "U")
READERS = {
    ".csv": pd.read_csv,
    ".jsonl": lambda path: pd.read_json(path, lines=True),
    ".parquet": pd.read_parquet,
}


def parse_columns(text: str) -> dict[str, str]:
    """Read "N=Model Size,C=Training FLOP,loss=loss" as letter -> column; loss stands for L.

    A column may carry a factor that brings it to the units of this package, as in "N=size in M*1e6".

    Raises
    ------
    UserError
        A part without "=", or a letter given twice.
    """
    columns = {}
    for part in text.split(","):
        letter, equals, column = part.partition("=")
        if not equals or not letter.strip() or not column.strip():
            raise UserError(f"--columns has {part!r}: write letter=column, as in N=params,D=tokens,loss=loss")
        letter = "L" if letter.strip() == "loss" else letter.strip()
        if letter in columns:
            raise UserError(
                f"--columns names {letter} twice, as {columns[letter]!r} and {column.strip()!r}: give it once"
            )
        columns[letter] = column.strip()
    return columns


def read_table(path: Path, columns: Mapping[str, str] | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read a table and name its columns N, D, C, L.

    Parameters
    ----------
    path : Path
        A .csv, .jsonl or .parquet file, among them exports of Weights & Biases.
    columns : mapping of str to str, optional
        Letter -> column of the file. Without it, columns already called N, D, C, L (or loss).

    Returns
    -------
    DataFrame
        All columns of the file, those named under their letter, and ``run`` (the row number).
    tuple of str
        What was derived and from what, as sentences.

    Raises
    ------
    UserError
        The file cannot be read, or the columns are not in it.
    """
    frame = from_wandb.with_status(from_wandb.flatten(_read(path)))
    named = dict(columns) if columns else {"L": "loss"} if "loss" in frame and "L" not in frame else {}
    factors = {letter: _factor(column, frame) for letter, column in named.items()}
    missing = [column for column, _ in factors.values() if column not in frame]
    if missing:
        raise UserError(
            f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, frame.columns))}"
        )
    notes = [f"{letter} = {factor:g} * {column}" for letter, (column, factor) in factors.items() if factor != 1.0]
    for letter, (column, factor) in factors.items():
        frame[letter] = _numbers(np.asarray(frame[column])) * factor if letter in LETTERS else frame[column]
    for letter in (letter for letter in LETTERS if letter in frame and letter not in factors):
        numbers = _numbers(np.asarray(frame[letter]))
        if np.isnan(numbers).all():
            frame = frame.drop(columns=letter)
            notes.append(f"column {letter} holds no number: it is not taken for {letter}")
        else:
            frame[letter] = numbers
    if "L" not in frame:
        raise UserError(f"{path} has no loss: name its column with --columns loss=...; it has {', '.join(frame)}")
    frame["run"] = from_wandb.labels(frame) or [f"row {i + 1}" for i in range(len(frame))]
    frame, derived = derive_third(frame)
    return frame, (*derived, *notes)


def _numbers(column: Rows) -> Array:
    """Floats, NaN if there is no number."""
    return np.asarray(pd.to_numeric(column, errors="coerce"), float)


def _factor(column: str, frame: pd.DataFrame) -> tuple[str, float]:
    """Column and factor of "column*factor"; a column of that very name comes first."""
    name, star, factor = column.rpartition("*")
    if column in frame or not star:
        return column, 1.0
    try:
        return name.strip(), float(factor)
    except ValueError:
        return column, 1.0


def derive_third(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Fill in D or C from C = 6 N D if one of them is missing."""
    if {"N", "C"} <= set(frame) and "D" not in frame:
        return frame.assign(D=frame.C / (6 * frame.N)), ("D was not given: D = C / 6N",)
    if {"N", "D"} <= set(frame) and "C" not in frame:
        return frame.assign(C=6 * frame.N * frame.D), ("C was not given: C = 6 N D",)
    return frame, ()


def _read(path: Path) -> pd.DataFrame:
    if path.suffix not in READERS:
        raise UserError(f"{path} is not a table this reads: give .csv, .jsonl or .parquet, or a sweep directory")
    try:
        frame = READERS[path.suffix](path)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: convert it first") from error
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {' '.join(str(error).split())}") from error
    if frame.empty:
        raise UserError(f"{path} has no rows")
    return frame
