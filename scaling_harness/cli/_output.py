"""Print the output of verbs: a table, or one JSON document."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scaling_harness.text_table import print_columns

NAMED = 8
"""Most runs that are named with one reason."""


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; the keys of the first row are its header."""
    print_columns(tuple(rows[0]) if rows else (), [[_cell(value) for value in row.values()] for row in rows])


def print_document(as_json: bool, document: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the document as JSON, or the rows as a table."""
    print(json.dumps(document)) if as_json else print_rows(rows)


def print_dropped(dropped: Sequence[Mapping[str, str]]) -> None:
    """Print on stderr which runs are left out, a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for row in dropped:
        by_reason.setdefault(row["reason"], []).append(row["run"])
    for reason, names in by_reason.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        print(f"left out: {', '.join(names[:NAMED])}{more}: {reason}", file=sys.stderr)


def print_banner(sentences: Iterable[str]) -> None:
    """Print on stdout, before any number, the sentences that forbid the use of a fit."""
    from analysis.fitting.result import UNUSABLE

    for sentence in sentences:
        if UNUSABLE in sentence:
            print(f"WARNING: {sentence}")


def _cell(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value or "")
