"""What a report is made from: if none of it changed, the report stands as it is."""

import hashlib
import json
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import scaling_harness.record
from analysis.runs.from_records import find_run_dirs
from scaling_harness.record.atomic_files import parse_json
from scaling_harness.record.record import METRICS_FILE, RECORD_FILE
from scaling_harness.record.sweep_listing import SWEEP_FILE

KEY = "made_from"
"""The place of the digest in `summary.json`."""

_ANALYSIS = Path(__file__).parents[1]
_LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "jinja2")


def digest(path: Path, **options: Any) -> str:
    """Hash everything that decides what a report shows: runs, options, the code of the analysis, libraries.

    Parameters
    ----------
    path : Path
        A sweep directory, an archive or a table.
    **options
        Of the report, as JSON has them.

    Returns
    -------
    str
        The same on every machine with the same libraries and files of the same times; the curve of an unfinished run
        does not count.
    """
    versions = [platform.python_version(), *map(version, _LIBRARIES)]
    made = hashlib.sha256(json.dumps([path.name, options, versions], sort_keys=True).encode())
    for file in (*_code(), *_data(path)):
        content = _content(file) if file.exists() else "absent"
        made.update(f"{file.parent.name}/{file.name} {content}\n".encode())
    return made.hexdigest()


def _content(file: Path) -> str:
    """Hash of a file; of a curve, which nothing writes once its run has a record, its size and time say as much."""
    if file.name == METRICS_FILE:
        state = file.stat()
        return f"{state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(file.read_bytes()).hexdigest()


def unchanged(summary: Path, made_from: str) -> dict[str, Any] | None:
    """The summary, if it was made from the same and all the files written with it are still there.

    Parameters
    ----------
    summary : Path
        `summary.json` of an earlier report.
    made_from : str
        Of `digest`.

    Returns
    -------
    dict or None
        None also if it cannot be read.
    """
    try:
        document = parse_json(summary.read_bytes())
        kept = document[KEY]
        there = all((summary.parent / name).exists() for name in kept["files"])
        return document if there and kept["digest"] == made_from else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _code() -> list[Path]:
    """Sources of the analysis, and of the room that it reads records with."""
    rooms = (_ANALYSIS, Path(scaling_harness.record.__path__[0]))
    return [path for room in rooms for path in sorted(room.rglob("*")) if path.suffix in (".py", ".j2", ".css")]


def _data(path: Path) -> Iterator[Path]:
    """Files with the runs."""
    if not path.is_dir():
        yield path
        return
    yield path / SWEEP_FILE
    for run_dir in find_run_dirs(path):
        yield run_dir / RECORD_FILE
        if (run_dir / RECORD_FILE).exists():
            yield run_dir / METRICS_FILE
