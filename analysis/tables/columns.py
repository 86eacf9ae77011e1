"""Which column of a table is N, D, C, L: what the user named, else what the names themselves say."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.tables.numbers_as_written import Comma, comma_of, read_column
from scaling_harness.errors import UserError

LETTERS = ("N", "D", "C", "L", "U", "S")
SETTINGS = ("lr", "batch_tokens", "d_model", "n_layer", "n_ctx")
ROLES = ("run", "seed", "state", "finished", *SETTINGS)
"""What else `--columns` may name, beside the letters; see README.md of this room."""
MACHINE = ("science", "curve_path", "setting_id", "train_flops_matmul", "spent_flops", "wall_s", "peak_memory_bytes")
MACHINE += ("loss_stderr_nats", "loss_nats", "n_params_with_head", "n_params_non_embedding", "n_params_total")
"""Columns that analyses read from records alone; a table's own of that name are no such thing."""
PERPLEXITY = re.compile(r"ppl|perplex", re.IGNORECASE)
_LOG = re.compile(r"(?:log|ln)\((?P<column>.+)\)(?P<rest>\s*[*/].+)?")


@dataclass(frozen=True)
class Taken:
    """A table with its letters.

    Attributes
    ----------
    frame : DataFrame
        All columns of the file and those of the letters.
    columns : mapping of str to str
        Letter -> what it was taken from, as one may write it after --columns.
    sources : frozenset of str
        Columns of the file that letters were taken from.
    unreadable : mapping
        Index label of a row -> what of it is no number.
    notes : tuple of str
    """

    frame: pd.DataFrame
    columns: Mapping[str, str]
    sources: frozenset[str]
    unreadable: Mapping[Any, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A column, perhaps its logarithm, times a factor."""

    column: str
    factor: float = 1.0
    log: bool = False

    def __str__(self) -> str:
        inner = f"log({self.column})" if self.log else self.column
        return inner if self.factor == 1.0 else f"{self.factor:g} * {inner}"


def parse_columns(text: str) -> dict[str, str]:
    """Read "N=Model Size,C=Training FLOP,loss=loss" as letter -> column; loss stands for L.

    A column may carry a factor that brings it to the units of this package, as in "N=size in M*1e6", or a logarithm,
    as in "loss=log(perplexity)". A name with a comma stands in double quotes: 'loss="val, nats"'.

    Raises
    ------
    UserError
        A part without "=", a letter that is none or is given twice, or quotes that are not closed.
    """
    columns: dict[str, str] = {}
    for part in _parts(text):
        letter, equals, column = part.partition("=")
        if not equals or not letter.strip() or not column.strip():
            raise UserError(
                f"--columns has {part!r}: write letter=column, as in N=params,D=tokens,loss=loss; a name that holds a "
                'comma goes in double quotes, as in loss="val, nats"'
            )
        letter = _letter(letter.strip(), column.strip())
        if letter in columns:
            raise UserError(
                f"--columns names {letter} twice, as {columns[letter]!r} and {column.strip()!r}: give it once"
            )
        columns[letter] = column.strip()
    return columns


def _parts(text: str) -> list[str]:
    """Parts between commas that stand outside of double quotes; the quotes are taken off."""
    if text.count('"') % 2:
        raise UserError(f"--columns has a double quote that is not closed: {text}")
    parts = re.findall(r'(?:[^,"]|"[^"]*")+', text)
    return [part.replace('"', "") for part in parts] or [text]


def _letter(name: str, column: str) -> str:
    if name in ("loss", "L"):
        return "L"
    if name in LETTERS or name in ROLES:
        return name
    known = {known.lower(): known for known in (*LETTERS, "loss", *ROLES)}
    close = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f"; write {known[close[0]]}={column}" if close else ""
    raise UserError(
        f"--columns names {name!r}, which is none of {', '.join(LETTERS[:3])}, loss, {', '.join(LETTERS[4:])}, "
        f"{', '.join(ROLES)}{meant}"
    )


def check_roles(frame: pd.DataFrame, named: Mapping[str, str]) -> None:
    """Refuse names of columns that are not there."""
    asked = {letter: _source(text, frame).column for letter, text in named.items() if letter != "finished"}
    missing = [column for column in asked.values() if column not in frame]
    if missing:
        raise UserError(
            f"the table has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, frame.columns))}"
        )


def take_columns(frame: pd.DataFrame, named: Mapping[str, str], semicolons: bool = False) -> Taken:
    """Give a table its letters.

    Parameters
    ----------
    frame : DataFrame
        As in the file.
    named : mapping of str to str
        Letter or role -> column, of `parse_columns`; may be empty.
    semicolons : bool
        Whether the cells of the file are told apart by semicolons.

    Returns
    -------
    Taken

    Raises
    ------
    UserError
        A column is not there or holds no number, none is the loss, or one is a perplexity by its name.
    """
    check_roles(frame, named)
    sources, notes = _sources(frame, named)
    comma = comma_of((frame[source.column] for source in sources.values()), semicolons)
    read = {letter: _numbers(frame, letter, source, comma) for letter, source in sources.items()}
    empty = [letter for letter, (values, _) in read.items() if np.isnan(values).all() and letter not in named]
    for letter in empty:
        if letter == "L":
            raise UserError(f"column {sources[letter].column!r} holds no number: name the loss with --columns loss=...")
        notes.append(f"column {letter} holds no number: it is not taken for {letter}")
    kept = {letter: source for letter, source in sources.items() if letter not in empty}
    notes += [f"{letter} = {source}" for letter, source in kept.items() if source.factor != 1.0 or source.log]
    notes += _comma_notes(frame, kept, comma)
    needed = [letter for letter in kept if letter != "S" or "S" in named]
    unreadable = {i: text for letter in reversed(needed) for i, text in read[letter][1].items()}
    return Taken(
        _aside(frame, kept).assign(**{letter: read[letter][0] for letter in kept}),
        {letter: str(source) for letter, source in kept.items()},
        frozenset(source.column for source in kept.values()),
        unreadable,
        tuple(notes),
    )


def _sources(frame: pd.DataFrame, named: Mapping[str, str]) -> tuple[dict[str, _Source], list[str]]:
    """Letter -> source, those of the user first; and what was passed over."""
    given = {name: _source(text, frame) for name, text in named.items() if name in (*LETTERS, *SETTINGS)}
    asked = any(letter in given for letter in LETTERS)
    taken = {letter: _Source(letter) for letter in LETTERS if letter in frame and (letter == "N" or not asked)}
    taken |= {"L": _Source(loss)} if (loss := _loss_column(frame)) else {}
    if "L" not in taken | given:
        perplexities = [name for name in frame.columns if PERPLEXITY.search(name)]
        source = f"log({perplexities[0]})" if len(perplexities) == 1 else "..."
        raise UserError(
            f"the table has no loss: name its column with --columns loss={source}; it has {', '.join(frame.columns)}"
        )
    if "L" in given:
        _ask_about_perplexity(named["L"], given["L"])
    found = {name: (taken | given)[name] for name in (*LETTERS, *SETTINGS) if name in taken | given}
    used = {source.column for source in found.values()}
    passed = [letter for letter in LETTERS if letter in frame and letter not in used]
    return found, [_passed_over(letter, found) for letter in passed]


def _passed_over(letter: str, found: Mapping[str, _Source]) -> str:
    if letter in found:
        return f"column {letter} is not used: {letter} is column {found[letter].column!r}"
    return f"column {letter} is not used: add {letter}={letter} to --columns if it is {letter}"


def _loss_column(frame: pd.DataFrame) -> str | None:
    """The loss where nobody named it: loss in any case, L only without one."""
    if "loss" in frame:
        return "loss"
    others = [name for name in frame.columns if name.lower() == "loss"]
    return others[0] if len(others) == 1 else "L" if "L" in frame else None


def _ask_about_perplexity(text: str, source: _Source) -> None:
    if PERPLEXITY.search(source.column) and text == source.column:
        raise UserError(
            f"column {text!r} is a perplexity by its name, of which the loss is the logarithm: write loss=log({text}); "
            f"if it is a loss already, write loss={text}*1"
        )


def _source(text: str, frame: pd.DataFrame) -> _Source:
    """Column, logarithm and factor of "log(column)*factor"; a column of that very name comes first."""
    if text in frame:
        return _Source(text)
    if (found := _LOG.fullmatch(text)) and (value := _factor((found["rest"] or "*1").strip())) is not None:
        return _Source(found["column"].strip(), value, log=True)
    for mark in "*/":
        name, there, factor = text.rpartition(mark)
        if there and (value := _factor(mark + factor)) is not None:
            return _Source(name.strip(), value)
    return _Source(text)


def _factor(text: str) -> float | None:
    """A factor of "*1e6" or "/1e6"; None where that is no number."""
    try:
        value = float(text.strip()[1:])
        value = 1 / value if text.strip()[0] == "/" else value
    except (ValueError, ZeroDivisionError):
        return None
    if not (np.isfinite(value) and value > 0):
        raise UserError(f"--columns has the factor {text.strip()[1:]}: give a positive number")
    return value


def _numbers(frame: pd.DataFrame, letter: str, source: _Source, comma: Comma) -> tuple[Array, dict[Any, str]]:
    """Values of a letter, and of every row without one the reason."""
    column = frame[source.column]
    values, odd = read_column(column, comma)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = (np.log(values) if source.log else values) * source.factor
    reasons = {
        i: f"column {source.column!r} holds {odd[i]!r}, which is no number for {_name(letter)}"
        if i in odd
        else f"column {source.column!r} has no number for {_name(letter)}"
        for i in frame.index[np.isnan(values)]
    }
    if np.isnan(values).all() and source.column != letter:
        raise UserError(
            f"column {source.column!r} holds no number for {_name(letter)}: row 1 has {str(column.iloc[0])!r}"
        )
    return values, reasons


def _name(letter: str) -> str:
    return "the loss" if letter == "L" else letter


def _comma_notes(frame: pd.DataFrame, kept: Mapping[str, _Source], comma: Comma) -> list[str]:
    columns = [source.column for source in kept.values()]
    names = [name for name in columns if any(isinstance(cell, str) and "," in cell for cell in frame[name])]
    if not names:
        return []
    meaning = "decimal points" if comma == "point" else "marks between thousands"
    return [f"commas in {', '.join(names)} are read as {meaning}"]


def _aside(frame: pd.DataFrame, kept: Mapping[str, _Source]) -> pd.DataFrame:
    """Columns of the file that are called as a letter but are not it, under a name that no law asks for."""
    moved = [name for name in (*LETTERS, *MACHINE) if name in frame and str(kept.get(name, _Source(""))) != name]
    return frame.rename(columns={name: f"{name} of the table" for name in moved})
