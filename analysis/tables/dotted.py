"""Nested settings by their dotted names."""

from collections.abc import Iterator, Mapping
from typing import Any


def dotted(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting that is no mapping itself, by its dotted name: model.d_model, 64."""
    for key, value in config.items():
        if isinstance(value, dict):  # several times as fast as asking for a Mapping, and they come from JSON
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
