"""A sweep called off: its runs are saved, its workers leave, and nothing is put back into a queue."""

import time

from scaling_harness.execution.intervals import poll_s
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.store import Store
from sweeps.launchers.slurm.commands import call, live_tasks
from sweeps.launchers.slurm.submit import submissions
from sweeps.planning.manifest import CANCELLED, Listing
from sweeps.status.run_status import states

_GRACE_S = 120.0
"""Time for runs to be saved before SLURM is asked to end them."""
_POLL_S = poll_s(1.0)


def cancel(listing: Listing, store: Store) -> str:
    """Have every worker of a sweep save its runs and leave, here and on SLURM; return when they have.

    Parameters
    ----------
    listing : Listing
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
        SLURM cannot be asked, or the folder cannot be written.
    """
    sweep_dir = store.sweep_dir(listing.name)
    write_text(sweep_dir / CANCELLED, now() + "\n")
    arrays = [row.job_id for row in submissions(sweep_dir)]
    if live_tasks(arrays):
        call("scancel", "--state=PENDING", *arrays)
    deadline = time.monotonic() + _GRACE_S
    while _works(listing, store, arrays) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if left := live_tasks(arrays):
        call("scancel", *left)
    counts = list(states(listing.jobs, store).values())
    done = sum(state in ("done", "diverged", "failed") for state in counts)
    return f"{listing.name} is cancelled: {done} of {len(counts)} runs are finished, `sweep run` goes on from here"


def _works(listing: Listing, store: Store, arrays: list[str]) -> bool:
    return bool(live_tasks(arrays)) or "running" in states(listing.jobs, store).values()
