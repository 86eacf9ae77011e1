"""Show a sweep at a glance: the states of its runs, what they cost, and how long the rest will take."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scaling_harness.execution.intervals import poll_s
from scaling_harness.record.provenance import now
from scaling_harness.record.store import Store
from scaling_harness.text_table import duration, print_columns
from sweeps.planning.planned_sweep import PlannedSweep
from sweeps.status.run_status import FINISHED, RunStatus, status
from sweeps.status.time_left import seconds_left, seconds_spent

_EVERY_S = poll_s(2.0)
_STATES = ("done", "running", "waiting", "diverged", "failed")


def totals(listing: PlannedSweep, rows: Sequence[RunStatus], at: str) -> dict[str, Any]:
    """Count the runs of a sweep by state, and sum their cost.

    Parameters
    ----------
    listing : PlannedSweep
        The sweep.
    rows : sequence of RunStatus
        Current status of its runs.
    at : str
        Current time, in the format of `provenance.now`.

    Returns
    -------
    dict
        `n_STATE` for each state; `gpu_hours` or `core_hours` spent, including attempts that failed or were interrupted;
        `seconds_left`, see `time_left`.
    """
    counts = Counter(row.state for row in rows)
    seconds = sum(seconds_spent(row, at) for row in rows)
    flops = {run.run_id: run.train_flops for job in listing.jobs for run in job.runs}
    kind, per_run = listing.devices
    return {
        **{f"n_{state}": counts[state] for state in _STATES},
        f"{kind}_hours": seconds * per_run / 3600,
        "seconds_left": seconds_left(rows, flops, at),
    }


def print_status(listing: PlannedSweep, rows: Sequence[RunStatus]) -> None:
    """Print the totals, the running runs with their start, and the failed ones with the reason."""
    print(progress_sentence(listing, rows))
    running = [row for row in rows if row.state == "running"]
    cells = [(row.run_id, f"{row.step:,}", f"{row.n_steps:,}", row.where or "", row.since or "") for row in running]
    if cells:
        print_columns(("running", "step", "of", "where", "since"), cells, right=("step", "of"))
    ended = [row for row in rows if row.state in ("failed", "diverged") or (row.state == "waiting" and row.reason)]
    if ended:
        print_columns(("run", "state", "why"), [(row.run_id, row.state, row.reason or "") for row in ended])


def watch(listing: PlannedSweep, store: Store) -> None:
    """Print the status repeatedly until every run is finished; without a terminal, a line for each change."""
    from rich.console import Console

    console, printed, rows = Console(), "", ()
    while True:
        rows = status(listing.jobs, store, rows)
        if console.is_terminal:
            console.clear()
            print_status(listing, rows)
        elif (sentence := progress_sentence(listing, rows)) != printed:
            print(printed := sentence, flush=True)
        if all(row.state in FINISHED for row in rows):
            return
        time.sleep(_EVERY_S)


def progress_sentence(listing: PlannedSweep, rows: Sequence[RunStatus]) -> str:
    """Say in one line how many runs are in each state, what they cost, and how long the rest will take."""
    sums = totals(listing, rows, now())
    kind = listing.devices[0]
    parts = [f"{sums[f'n_{state}']} {state}" for state in _STATES if sums[f"n_{state}"] or state in _STATES[:3]]
    spent = f"{sums[f'{kind}_hours']:.2g} {'GPU' if kind == 'gpu' else 'core'} hours"
    left = "" if sums["seconds_left"] is None else f"; about {duration(sums['seconds_left'])} left"
    return f"{listing.name}: {', '.join(parts)} of {len(rows)}; {spent}{left}"
