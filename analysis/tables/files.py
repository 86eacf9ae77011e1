"""Files of tables: text with any separator, JSON, JSON lines or Parquet, compressed or not, as one frame."""

import csv
import io
import json
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from scaling_harness.errors import UserError

SEPARATORS = (",", "\t", ";", "|")
COMPRESSED = (".gz", ".zst", ".bz2")
_NAMED_NUMBER = re.compile(r"\s*[+-]?\d[\d.,eE+-]*\s*")


def read_file(path: Path) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    """Read a file as it stands.

    Parameters
    ----------
    path : Path
        .csv, .tsv, .txt, .json, .jsonl, .ndjson or .parquet; .gz, .zst or .bz2 may follow.

    Returns
    -------
    DataFrame
        Columns by their names in the file, without blanks around them.
    tuple of str
        What was passed over, as sentences.
    bool
        Whether the cells are told apart by semicolons, as they are where a comma is the decimal point.

    Raises
    ------
    UserError
        The file is not there or cannot be read, or it has no rows or no names.
    """
    kind = path.with_suffix("").suffix if path.suffix.lower() in COMPRESSED else path.suffix
    reader = _READERS.get(kind.lower())
    if reader is None:
        raise UserError(
            f"{path} is not a table this reads: give {', '.join(_READERS)}, with {', '.join(COMPRESSED)} behind it "
            "or not, or a sweep directory"
        )
    frame, notes, semicolons = _guarded(path, kind, reader)
    if frame.empty:
        raise UserError(f"{path} has no rows")
    return unique_names(frame).reset_index(drop=True), notes, semicolons


def unique_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Names as text without blanks around them; the second of one name gets ".1", as pandas has it."""
    names: list[str] = []
    for name in (str(name).strip() for name in frame.columns):
        again = (f"{name}.{i}" for i in range(1, len(frame.columns)))
        names.append(name if name not in names else next(other for other in again if other not in names))
    return frame.set_axis(names, axis=1)


def _guarded(path: Path, kind: str, reader: "_Reader") -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    """What the reader gives, its errors as sentences."""
    try:
        return reader(_content(path))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: convert it first") from error
    except pd.errors.ParserWarning as error:
        raise UserError(f"{path} has rows with more cells than its first line has names: name them all") from error
    except (ValueError, OSError, OverflowError, RecursionError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as {kind[1:]}: {' '.join(str(error).split())}") from error


def _content(path: Path) -> bytes:
    if path.suffix.lower() not in COMPRESSED:
        return path.read_bytes()
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        return stream.read()


def _read_text(content: bytes) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    """Text with one run a line: comment lines left out, the separator told by the names."""
    lines = [line for line in content.decode("utf-8-sig").splitlines(keepends=True) if line.strip()]
    rows = [line for line in lines if not line.lstrip().startswith("#")]
    comments = [line for line in lines if line.lstrip().startswith("#")]
    if comments and rows and (names := _commented_names(lines, rows[0])):
        rows, comments = [names, *rows], comments[:-1]
    if not rows:
        return pd.DataFrame(), (), False
    separator = separator_of(rows[0])
    _check_names(_fields(rows[0], separator), separator, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the last name would be lost
        frame = pd.read_csv(
            io.StringIO("".join(rows)), sep=separator, skipinitialspace=True, index_col=False, low_memory=False
        )
    notes = (f"{len(comments)} comment lines, which begin with #, are left out",) if comments else ()
    return frame, (*notes, *_twice(_fields(rows[0], separator))), separator == ";"


def separator_of(names: str) -> str:
    """The separator that makes most of a line of names; blanks where none of them is there."""
    best = max(SEPARATORS, key=lambda separator: len(_fields(names, separator)))
    return best if len(_fields(names, best)) > 1 or len(names.split()) == 1 else r"\s+"


def _fields(line: str, separator: str) -> list[str]:
    if separator == r"\s+":
        return line.split()
    return [field.strip() for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _commented_names(lines: list[str], first: str) -> str | None:
    """Names behind a #, as numpy writes them, where the first row has none of its own."""
    separator = separator_of(first)
    if not all(_NAMED_NUMBER.fullmatch(field) for field in _fields(first, separator)):
        return None
    above = lines[: lines.index(first)]
    names = above[-1].lstrip().lstrip("#") if above else ""
    return names if len(_fields(names, separator)) == len(_fields(first, separator)) else None


def _check_names(names: list[str], separator: str, rows: list[str]) -> None:
    """Refuse a table without names, and one whose names are values."""
    numbers = [name for name in names if _NAMED_NUMBER.fullmatch(name)]
    if len(numbers) == len(names):
        raise UserError(
            f"the first line holds no names but {', '.join(names[:4])}: put N, D, loss or the like above it"
        )
    if len(rows) > 1 and len(numbers) == len(names) - 1 and len(numbers) > 1:
        raise UserError(pivot_sentence(names, _fields(rows[1], separator)))


def pivot_sentence(names: list[str], first: list[str]) -> str:
    """Say that a table has one column a value, and what it looks like with one row a run."""
    corner = names[0] or "N"
    shown = "; ".join(f"{first[0]},{name},{loss}" for name, loss in list(zip(names[1:], first[1:], strict=False))[:2])
    return (
        f"this is a pivot table: its columns are called {', '.join(names[1:4])}, which are values and no names. "
        f"Write one row a run, with the names {corner},D,loss and the rows {shown}; and so on"
    )


def _twice(names: list[str]) -> tuple[str, ...]:
    """A sentence on names that several columns have."""
    again = sorted({name for name in names if names.count(name) > 1})
    return (f"several columns are called {', '.join(again)}: the first of them is read",) if again else ()


def _read_lines(content: bytes) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    content.decode()
    as_it_is: Any = False  # else a number called updated_at becomes a date
    frame = pd.read_json(io.BytesIO(content), lines=True, dtype=as_it_is, precise_float=True)
    if list(frame.columns) == list(range(frame.shape[1])):
        raise ValueError("its lines are no objects of names and values")
    return frame, (), False


def _read_json(content: bytes) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    """An array of objects, an object of columns, or an object that holds one such array."""
    document, notes = json.loads(content.decode("utf-8-sig")), ()
    if isinstance(document, Mapping):
        arrays = {name: value for name, value in document.items() if _rows(value)}
        if len(arrays) == 1:
            ((name, document),) = arrays.items()
            notes = (f"the rows are those of {name!r}",)
        elif all(isinstance(value, list | dict) for value in document.values()):
            return pd.DataFrame({name: pd.Series(value) for name, value in document.items()}), (), False
    if not _rows(document):
        raise ValueError("it is neither an array of objects nor an object of columns")
    return pd.DataFrame(document), notes, False


def _rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _read_parquet(content: bytes) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    return pd.read_parquet(io.BytesIO(content)).reset_index(drop=True), (), False


_Reader = Callable[[bytes], tuple[pd.DataFrame, tuple[str, ...], bool]]
_READERS: Mapping[str, _Reader] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
    ".json": _read_json,
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
    ".parquet": _read_parquet,
}
