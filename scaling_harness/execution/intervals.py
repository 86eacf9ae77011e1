"""Durations that an environment variable may set: the lease of a claim, the interval between polls."""

import os

from scaling_harness.errors import UserError

POLL_VARIABLE = "SCALING_HARNESS_POLL_S"


def seconds(variable: str, default: float) -> float:
    """Read a number of seconds from an environment variable.

    Parameters
    ----------
    variable : str
        Name of the variable.
    default : float
        Value if it is not set, in seconds.

    Returns
    -------
    float

    Raises
    ------
    UserError
        It is set to something other than a positive number.
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
    """Interval between two polls: `default`, or `SCALING_HARNESS_POLL_S` if that is shorter."""
    return min(default, seconds(POLL_VARIABLE, default))
