"""Nested settings by their dotted names."""

from collections.abc import Mapping
from typing import Any


def dotted(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Each setting that is no mapping itself, by its dotted name: model.d_model, 64."""
    found: list[tuple[str, Any]] = []
    for key, value in config.items():
        if isinstance(value, dict):  # several times as fast as asking for a Mapping, and they come from JSON
            found += dotted(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found
