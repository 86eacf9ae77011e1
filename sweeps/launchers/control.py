"""Cancel a sweep, and free failed runs to be trained again."""

import time
from collections.abc import Iterable
from pathlib import Path

from scaling_harness.execution.failed_runs import set_aside
from scaling_harness.execution.intervals import poll_s
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.store import Store
from sweeps.launchers.table import LAUNCHERS
from sweeps.planning.manifest import CANCELLED
from sweeps.planning.planned_sweep import PlannedSweep
from sweeps.status.run_status import RunStatus, states

_GRACE_S = 120.0
"""Time that runs have to be saved before their workers are killed."""
_POLL_S = poll_s(1.0)


def cancel(listing: PlannedSweep, store: Store) -> str:
    """Have every worker of a sweep save its runs and exit, whichever launcher started it, and wait until all have.

    Parameters
    ----------
    listing : PlannedSweep
        The sweep.
    store : Store
        Where its runs are stored.

    Returns
    -------
    str
        What was done, for the user.

    Raises
    ------
    UserError
        A launcher does not answer, or the folder cannot be written.
    """
    sweep_dir = store.sweep_dir(listing.name)
    write_text(sweep_dir / CANCELLED, now() + "\n")
    deadline = time.monotonic() + _GRACE_S
    while _is_working(listing, store, sweep_dir) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    _cancel_workers(sweep_dir, force=True)
    counts = list(states(listing.jobs, store).values())
    done = sum(state in ("done", "diverged", "failed") for state in counts)
    return f"{listing.name} is cancelled: {done} of {len(counts)} runs are finished; `sweep run` continues from here"


def _is_working(listing: PlannedSweep, store: Store, sweep_dir: Path) -> bool:
    return _cancel_workers(sweep_dir, force=False) or "running" in states(listing.jobs, store).values()


def _cancel_workers(sweep_dir: Path, force: bool) -> bool:
    """Ask every launcher to cancel, since several may have launched the sweep; see `Launcher.cancel`."""
    had_workers = [launcher.cancel(sweep_dir, force) for launcher in LAUNCHERS.values()]
    return any(had_workers)


def free_failed(rows: Iterable[RunStatus], store: Store) -> list[str]:
    """Set the records of failed runs aside, which resets the count of their attempts.

    Parameters
    ----------
    rows : iterable of RunStatus
        Runs of a sweep.
    store : Store
        Where they are stored.

    Returns
    -------
    list of str
        The run_ids of the freed runs.

    Raises
    ------
    UserError
        The store cannot be written.
    """
    failed = [row.run_id for row in rows if row.state == "failed"]
    for run_id in failed:
        set_aside(run_id, store)
    return failed
