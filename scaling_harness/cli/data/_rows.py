"""Rows of `data prepare` and `data list`."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling_harness.data.token_cache import DataInfo

COLUMNS = ("data_id", "vocab_size", "n_documents", "n_train_tokens", "n_valid_tokens", "bytes_per_token")
"""Those of the table; the JSON document has all."""


def data_rows(infos: "Iterable[DataInfo]") -> list[dict[str, Any]]:
    """Prepared data sets as plain data."""
    import dataclasses

    return [json.loads(json.dumps(dataclasses.asdict(info), default=str)) for info in infos]


def columns(rows: Iterable[dict[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Some columns of rows."""
    names = tuple(names)
    return [{name: row[name] for name in names} for row in rows]
