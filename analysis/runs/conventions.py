"""Under which conventions runs were made and tuned: what may be compared with a fit of them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.runs.selection import Runs
from scaling_harness.record.store import TUNED_FILE

FIELDS = ("vocab_size", "data_id", "n_ctx", "recipe")
SAME_COMPUTE = 0.01
BYTE_VOCABULARY = "256"


def unit_of(vocab_size: Any) -> str:
    """What the tokens of a vocabulary are: 256 entries are bytes.

    Parameters
    ----------
    vocab_size : int, str or None
        None if it is not known.

    Returns
    -------
    str
        "byte" or "token".
    """
    return "byte" if str(vocab_size) == BYTE_VOCABULARY else "token"


def conventions_of(runs: Runs) -> dict[str, Any]:
    """Tokenizer, data, context and recipe of the runs (None if unknown), and what their C is.

    A field with several values is a list of them.
    """
    frame = runs.frame
    conventions: dict[str, Any] = {name: _only(frame, name) for name in FIELDS}
    return conventions | {"compute": _compute(frame)}


def token_unit(runs: Runs) -> str:
    """The tokens of these runs, "byte" or "token"."""
    return unit_of(_only(runs.frame, "vocab_size"))


def _only(frame: pd.DataFrame, name: str) -> Any:
    if name not in frame:
        return None
    values = sorted({str(value) for value in frame[name].dropna()})
    return values[0] if len(values) == 1 else values or None


def _compute(frame: pd.DataFrame) -> str | None:
    if not {"N", "D", "C"} <= set(frame):
        return None
    off = np.abs(frame.C / (6 * frame.N * frame.D) - 1).max()
    return "6ND" if off < SAME_COMPUTE else "as given, not 6ND"


def rows_id(runs: Runs) -> str:
    """Hash of the losses and tokens in their order: the same runs have it whatever N counts."""
    values = np.ascontiguousarray(runs.frame[[c for c in ("D", "L") if c in runs.frame]], float)
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


def tuning_of(path: Path) -> str | None:
    """Say how a sweep was tuned.

    Parameters
    ----------
    path : Path
        A sweep's folder, or a table.

    Returns
    -------
    str or None
        None for a table, of which it is not known.
    """
    if not path.is_dir():
        return None
    try:
        tuned = json.loads((path / TUNED_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return "not tuned"
    return f"{tuned['effort']} (tune {tuned['by']})"
