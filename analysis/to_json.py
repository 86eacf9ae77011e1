"""What JSON can hold: plain lists and numbers, None in the place of NaN and infinities."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def json_form(value: Any) -> Any:
    """A document that any JSON reader takes.

    Parameters
    ----------
    value : object
        Mappings, sequences, arrays, numbers and text, nested.

    Returns
    -------
    object
        Dicts, lists and scalars; None for each number that is not finite.
    """
    if isinstance(value, Mapping):
        return {str(key): json_form(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return json_form(value.tolist())
    if isinstance(value, list | tuple):
        return [json_form(item) for item in value]
    if isinstance(value, np.generic):
        return json_form(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value
