"""Print rows of cells as aligned text, fast enough for ten thousand rows; and time spans in words."""

import shutil
import sys
from collections.abc import Collection, Sequence


def print_columns(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> None:
    """Print a table on stdout; lines are cut to the width of a terminal, but not in a file.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        One cell per column.
    right : collection of str
        Names of the columns that are aligned right.
    """
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    table = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    line = "  ".join(f"{{:{'>' if name in right else '<'}{width}}}" for name, width in zip(header, widths, strict=True))
    print("\n".join(line.format(*row).rstrip()[:limit] for row in table))


def duration(seconds: float) -> str:
    """Write a time span in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
