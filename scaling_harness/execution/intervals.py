"""Seconds that an environment variable may set: the lease of a claim, and how often a process looks again."""

import os

from scaling_harness.errors import UserError

POLL_VARIABLE = "SCALING_HARNESS_POLL_S"


def seconds(variable: str, default: float) -> float:
    """Read a number of seconds from an environment variable.

    Parameters
    ----------
    variable : str
        Its name.
    default : float
        If it is not set.

    Returns
    -------
    float

    Raises
    ------
    UserError
        It is set, and not to a number above 0.
    """
    text = os.environ.get(variable, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise UserError(f"{variable} is {text!r}; it is a number of seconds, above 0")
    return value


def poll_s(default: float) -> float:
    """Pause between two looks: `default`, or that of `SCALING_HARNESS_POLL_S` if it is shorter."""
    return min(default, seconds(POLL_VARIABLE, default))
