"""Errors that a user may see. The command line prints the message, a sentence, and nothing else."""

import sysconfig
import traceback
from pathlib import Path

_PACKAGE = Path(__file__).parent
_NOT_OWN = (
    *(_PACKAGE.parent / name for name in ("scaling_harness", "sweeps", "analysis")),
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")),
)


class HarnessError(Exception):
    """A run or a fit failed."""

    exit_code = 1


class UserError(HarnessError):
    """The arguments, the configuration or the data cannot be used as they are."""

    exit_code = 2


class CannotTrainHereError(UserError):
    """A run cannot be trained here as it is, such as without the device asked for: no attempt at it counts."""


def one_line(error: BaseException) -> str:
    """Describe an error in one line, with the line of the user's own code that it came from."""
    text = " ".join(str(error).split())[:500]
    if isinstance(error, HarnessError):
        return text
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    place = own_line(error)
    return f"{named} ({place})" if place and place not in named else named


def own_line(error: BaseException) -> str | None:
    """Innermost line of a traceback in code of the user's own, as `my_model.py, line 4`: not ours, not a package's.

    Parameters
    ----------
    error : BaseException
        As it was caught. Of a syntax error it is the line that cannot be read.

    Returns
    -------
    str or None
        None if no such code had a part in it.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else None


def _is_own(filename: str) -> bool:
    path = Path(filename)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return path.is_file() and not installed and not any(path.is_relative_to(folder) for folder in _NOT_OWN)
