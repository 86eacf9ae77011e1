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


def data_rows(infos: "Iterable[PreparedData]") -> list[dict[str, Any]]:
    """Turn prepared data sets into plain data."""
    import dataclasses

    return [json.loads(json.dumps(dataclasses.asdict(info), default=str)) for info in infos]


def columns(rows: Iterable[dict[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Select columns of rows."""
    names = tuple(names)
    return [{name: row.get(name) for name in names} for row in rows]
