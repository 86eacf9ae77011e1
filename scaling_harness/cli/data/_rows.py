"""Rows that `data prepare` and `data list` print."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling_harness.data.source_info import PreparedData

COLUMNS = (
    "data_id",
    "vocab_size",
    "n_documents",
    "n_train_tokens",
    "n_valid_tokens",
    "n_test_tokens",
    "bytes_per_token",
)
"""Columns of the printed table; the JSON document has all fields."""
_LEFT_OUT = ("n_broken", "n_near_duplicates")


def data_rows(infos: "Iterable[PreparedData]") -> list[dict[str, Any]]:
    """Turn prepared data sets into plain data."""
    import dataclasses

    return [json.loads(json.dumps(dataclasses.asdict(info), default=str)) for info in infos]


def columns_with_left_out(rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The columns, and the numbers of what was left out of a corpus if there is any."""
    rows = list(rows)
    return (*COLUMNS, *(name for name in _LEFT_OUT if any(row.get(name) for row in rows)))


def columns(rows: Iterable[dict[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Select columns of rows."""
    names = tuple(names)
    return [{name: row.get(name) for name in names} for row in rows]
