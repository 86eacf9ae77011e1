"""Results as JSON: plain lists and numbers, None in place of NaN and infinities."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def to_json(value: Any) -> Any:
    """Turn a result into a document that any JSON reader takes.

    Parameters
    ----------
    value : object
        Dataclasses, mappings, sequences, arrays, data frames, numbers and text, nested.

    Returns
    -------
    object
        Dicts, lists and scalars; None for each number that is not finite. A data frame is a list of its rows.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_json(document(value))
    if isinstance(value, pd.DataFrame):
        return to_json(value.to_dict(orient="records"))
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, np.generic):
        return to_json(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value


@functools.singledispatch
def document(result: Any) -> Mapping[str, Any]:
    """What a dataclass says of itself: its fields, unless its module registers more, or less."""
    return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
