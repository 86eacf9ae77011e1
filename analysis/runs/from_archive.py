"""An archive stands where a folder of runs does: `NAME.runs.zst/RUN_ID` names a run as a path names its folder."""

import functools
from pathlib import Path
from typing import Any

from scaling_harness.record.archive import Archive, ArchivedRun, is_archive, read_archive
from scaling_harness.record.sweep_listing import SweepListing


def archive_listing(path: Path) -> SweepListing:
    """Listing of the sweep in an archive."""
    return _open(path).listing


def archived_run(run_dir: Path) -> ArchivedRun | None:
    """Finished run of an archive; None if it has not finished."""
    return _open(run_dir.parent).runs.get(run_dir.name)


def archived_curve(metrics_path: Path) -> list[dict[str, Any]]:
    """Thinned curve of `NAME.runs.zst/RUN_ID/metrics.jsonl`; empty if the run has not finished."""
    run = archived_run(metrics_path.parent)
    return [dict(row) for row in run.curve] if run else []


def in_archive(run_dir: Path) -> bool:
    """Whether a path names a run in an archive."""
    return is_archive(run_dir.parent) and not run_dir.parent.is_dir()


def _open(path: Path) -> Archive:
    """Read an archive once, and again only if the file has changed; a missing file is refused by the reader."""
    state = path.stat() if path.is_file() else None
    return _read(path, state and (state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=8)
def _read(path: Path, _state: tuple[int, int] | None) -> Archive:
    return read_archive(path)
