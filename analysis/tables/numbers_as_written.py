"""Numbers as people write them: 44M, 1.016B, 75.3 B, 2.00×10^19, 1,000,000, decimal commas."""

import numbers
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from analysis.arrays import Array

Comma = Literal["point", "thousands"]
"""What a comma inside a number is: a decimal point, or a mark between thousands."""

POWERS = {
    **dict.fromkeys(("k", "thousand"), 3),
    **dict.fromkeys(("m", "mn", "mio", "million", "millions"), 6),
    **dict.fromkeys(("b", "g", "bn", "billion", "billions"), 9),
    **dict.fromkeys(("t", "tn", "trillion", "trillions"), 12),
    **dict.fromkeys(("pflop", "pflops"), 15),
    **dict.fromkeys(("eflop", "eflops"), 18),
    **dict.fromkeys(("zflop", "zflops"), 21),
}
UNITS = {"", "tok", "toks", "token", "tokens", "param", "params", "parameter", "parameters", "flop", "flops", "nats"}
MISSING = {"", "-", "--", "n/a", "na", "nan", "none", "null", "?", ".", "<na>"}

_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_GAP = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'’_](?=\d{3}(?!\d))")
_POINT_GROUP = re.compile(r"(?<=\d)\.(?=\d{3}(?!\d))")
_MANTISSA = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_NUMBER = re.compile(
    rf"(?:(?P<times>{_MANTISSA})\s*(?:×|x|\*|·|\\times|\\cdot)\s*)?"
    r"10\s*(?:\^|\*\*)\s*(?P<power>[+-]?[0-9]{1,4})(?P<unit>[a-z ]*)"
    rf"|(?P<mantissa>{_MANTISSA})(?:e(?P<exponent>[+-]?[0-9]{{1,4}}))?(?P<words>[a-z ]*)",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?![\d,])")
_CERTAIN_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:(?:,\d{3}){2,}(?![\d,])|(?:,\d{3})+\.\d)")
_ONE_COMMA = re.compile(r"[+-]?\d*(?:\.\d{3})*,\d+(?![\d,.])")


def read_number(text: str, comma: Comma = "thousands") -> float | None:
    """Read one number.

    Parameters
    ----------
    text : str
        As in a cell.
    comma : {"point", "thousands"}
        What a comma is.

    Returns
    -------
    float or None
        NaN where the cell is empty; None where the text is no number.
    """
    text = text.strip().strip("$").replace("−", "-").replace("{", "").replace("}", "")
    if text.lower() in MISSING:
        return float("nan")
    text = _SUPERSCRIPT.sub(lambda found: "^" + found[0].translate(_RAISED), text)
    plain = _with_points(_GAP.sub("", text), comma)
    return None if plain is None else _value(plain)


def _with_points(text: str, comma: Comma) -> str | None:
    """The text with points for decimals and nothing between thousands; None where its commas are neither."""
    if comma == "point":
        whole = _POINT_GROUP.sub("", text) if "," in text or text.count(".") > 1 else text
        return whole.replace(",", ".") if text.count(",") <= 1 else None
    if "," not in text:
        return text
    return text.replace(",", "") if _THOUSANDS.match(text) else None


def _value(text: str) -> float | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    if found["power"] is not None:
        mantissa, exponent, words = found["times"] or "1", found["power"], found["unit"]
    else:
        mantissa, exponent, words = found["mantissa"], found["exponent"] or "0", found["words"]
    power = _power_of(words)
    return None if power is None else float(f"{mantissa}e{int(exponent) + power}")


def _power_of(words: str) -> int | None:
    """Power of ten that a suffix stands for; None where it is neither a multiple nor a unit."""
    first, _, rest = words.strip().lower().partition(" ")
    if rest.strip() not in UNITS:
        return None
    return 0 if first in UNITS else POWERS.get(first)


def comma_of(columns: Iterable[Any], decimal_table: bool) -> Comma:
    """What commas mean in a table: what the cells leave open, the separator decides.

    Parameters
    ----------
    columns : iterable of Series
        Those that hold numbers.
    decimal_table : bool
        Whether the cells of the file are told apart by something else than a comma.
    """
    with_comma = [text for column in columns for text in map(str, column.dropna()) if "," in text]
    if any(_CERTAIN_THOUSANDS.match(text) for text in with_comma):
        return "thousands"
    if any(_ONE_COMMA.match(text) and not _THOUSANDS.match(text) for text in with_comma):
        return "point"
    return "point" if decimal_table else "thousands"


def read_column(column: Any, comma: Comma = "thousands") -> tuple[Array, dict[Any, str]]:
    """Read a column of numbers.

    Parameters
    ----------
    column : Series
        Of a table; numbers, text or both.
    comma : {"point", "thousands"}
        What a comma inside a text is.

    Returns
    -------
    ndarray of shape (n_rows,)
        Floats, NaN where a cell is empty or no number.
    dict
        Index label -> text of every cell that is no number.
    """
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return np.asarray(column.to_numpy(dtype=float, na_value=np.nan), float), {}
    read = [_cell(value, comma) for value in column]
    odd = {index: str(value) for index, value, number in zip(column.index, column, read, strict=True) if number is None}
    return np.array([np.nan if number is None else number for number in read], float), odd


def _cell(value: Any, comma: Comma) -> float | None:
    """A cell as a float; None where it is no number."""
    if value is None or value is pd.NA or value is pd.NaT:
        return float("nan")
    if isinstance(value, str):
        return read_number(value, comma)
    if isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool | np.bool_):
        try:
            return float(value)
        except OverflowError:
            return None
    return None
