"""`times.txt` beside a curve: when its rows were written. Apart from it, so that the same run leaves the same curve."""

import bisect
import re
import time
from pathlib import Path

from scaling_harness.record.atomic_files import explain_os_errors

TIMES_FILE = "times.txt"
"""A line for each write of the curve: its length in bytes, and the seconds since 1970."""
_LINE = re.compile(r"(\d+) (\d+\.\d+)")

Marks = list[tuple[int, float]]


class TimesLog:
    """The open file of one curve.

    Parameters
    ----------
    curve : Path
        `Store.metrics_path` of the run.
    n_bytes : int
        Length that the curve has now.
    """

    def __init__(self, curve: Path, n_bytes: int) -> None:
        self._path = curve.with_name(TIMES_FILE)
        with explain_os_errors(self._path):
            self._file = self._path.open("a")
        self._file.write("\n")  # ends a line that a kill left unfinished
        self.note(n_bytes)

    def note(self, n_bytes: int) -> None:
        """Note that the curve has a length now."""
        with explain_os_errors(self._path):
            self._file.write(f"{n_bytes} {time.time():.3f}\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_marks(curve: Path) -> Marks:
    """Read the lengths of a curve and when it had them, without those that it was cut back from.

    Parameters
    ----------
    curve : Path
        `Store.metrics_path` of the run.

    Returns
    -------
    list of (int, float)
        In bytes and seconds since 1970, both rising; empty for a run of an earlier version of this code.
    """
    path, marks = curve.with_name(TIMES_FILE), []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        if found := _LINE.fullmatch(line):
            n_bytes, at = int(found[1]), float(found[2])
            while marks and marks[-1][0] > n_bytes:
                marks.pop()
            marks.append((n_bytes, max(at, marks[-1][1]) if marks else at))
    return marks


def time_of(marks: Marks, n_bytes: int) -> float | None:
    """When the row was made that ends at a length of the curve: a row is written with up to 50 others.

    Parameters
    ----------
    marks : list of (int, float)
        See `read_marks`.
    n_bytes : int
        Bytes of the curve up to the end of the row.

    Returns
    -------
    float or None
        Seconds since 1970, linear between two marks; None without marks.
    """
    i = bisect.bisect_left(marks, n_bytes, key=lambda mark: mark[0])
    if i == len(marks):
        return marks[-1][1] if marks else None
    (high, end) = marks[i]
    if i == 0 or high == n_bytes:
        return end
    low, start = marks[i - 1]
    return start + (end - start) * (n_bytes - low) / (high - low)
