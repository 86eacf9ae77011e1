"""Under which conventions runs were made and tuned: what may be compared with a fit of them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.runs.selection import Runs
from scaling_harness.record.atomic_files import parse_json
from scaling_harness.record.store import TUNED_FILE

FIELDS = ("vocab_size", "data_id", "n_ctx", "recipe")
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
    """Tokenizer, data, context and recipe of the runs (None if unknown).

    A field with several values is a list of them.
    """
    frame = runs.frame
    return {name: _only(frame, name) for name in FIELDS}


def token_unit(runs: Runs) -> str:
    """The tokens of these runs, "byte" or "token"."""
    return unit_of(_only(runs.frame, "vocab_size"))


def _only(frame: pd.DataFrame, name: str) -> Any:
    if name not in frame:
        return None
    values = sorted({str(value) for value in frame[name].dropna()})
    return values[0] if len(values) == 1 else values or None


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
        tuned = parse_json((path / TUNED_FILE).read_bytes())
        return f"{tuned['effort']} (tune {tuned['by']})"
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return "not tuned"
