"""A sweep called off, and failed runs freed to be trained again."""

import time
from collections.abc import Iterable
from pathlib import Path

from scaling_harness.execution.intervals import poll_s
from scaling_harness.record.atomic_files import explain_os_errors, write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.store import Store
from sweeps.launchers.table import LAUNCHERS
from sweeps.planning.manifest import CANCELLED, PlannedSweep
from sweeps.status.run_status import RunStatus, states

_GRACE_S = 120.0
"""Time for runs to be saved before their workers are ended by force."""
_POLL_S = poll_s(1.0)


def cancel(listing: PlannedSweep, store: Store) -> str:
    """Have every worker of a sweep save its runs and leave, whoever started it; return when they have.

    Parameters
    ----------
    listing : PlannedSweep
        The sweep.
    store : Store
        Where its runs live.

    Returns
    -------
    str
        What became of it, for the user.

    Raises
    ------
    UserError
        A launcher cannot be asked, or the folder cannot be written.
    """
    sweep_dir = store.sweep_dir(listing.name)
    write_text(sweep_dir / CANCELLED, now() + "\n")
    deadline = time.monotonic() + _GRACE_S
    while _is_working(listing, store, sweep_dir) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    _take_back(sweep_dir, force=True)
    counts = list(states(listing.jobs, store).values())
    done = sum(state in ("done", "diverged", "failed") for state in counts)
    return f"{listing.name} is cancelled: {done} of {len(counts)} runs are finished, `sweep run` goes on from here"


def _is_working(listing: PlannedSweep, store: Store, sweep_dir: Path) -> bool:
    return _take_back(sweep_dir, force=False) or "running" in states(listing.jobs, store).values()


def _take_back(sweep_dir: Path, force: bool) -> bool:
    """Ask every launcher, for a sweep may have been launched by several; see `Launcher.cancel`."""
    was_working = [launcher.cancel(sweep_dir, force) for launcher in LAUNCHERS.values()]
    return any(was_working)


def free_failed(rows: Iterable[RunStatus], store: Store) -> list[str]:
    """Put the records of failed runs aside; their attempts start to count afresh.

    Parameters
    ----------
    rows : iterable of RunStatus
        Runs of a sweep.
    store : Store
        Where they live.

    Returns
    -------
    list of str
        The run_ids.

    Raises
    ------
    UserError
        The store cannot be written.
    """
    failed = [row.run_id for row in rows if row.state == "failed"]
    for run_id in failed:
        path = store.record_path(run_id)
        with explain_os_errors(path):
            path.rename(_aside(path))
    return failed


def _aside(path: Path) -> Path:
    number = 1 + len(list(path.parent.glob(f"{path.stem}-failed-*.json")))
    return path.with_name(f"{path.stem}-failed-{number}.json")
