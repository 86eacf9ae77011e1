"""With how much effort the settings of a sweep were tuned: what a comparison of architectures must tell."""

import json
from pathlib import Path

from scaling_harness.record.store import TUNED_FILE


def tuning_of(path: Path) -> str | None:
    """Say how a sweep was tuned.

    Parameters
    ----------
    path : Path
        A sweep's folder, or a table.

    Returns
    -------
    str or None
        None for a table, of which it is not known.
    """
    if not path.is_dir():
        return None
    try:
        found = json.loads((path / TUNED_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return "not tuned"
    return f"{found['effort']} (tune {found['by']})"
