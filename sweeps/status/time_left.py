"""Estimate how long a sweep will still take from the status of its runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sweeps.status.run_status import FINISHED, RunStatus


def seconds_left(rows: Sequence[RunStatus], flops: Mapping[str, float], at: str) -> float | None:
    """Estimate the time until every run is finished if as many jobs keep running as now.

    Parameters
    ----------
    rows : sequence of RunStatus
        Current status of the runs of a sweep.
    flops : mapping of str to float
        FLOPs of each run by run_id. Work is counted in FLOPs, not in runs, because the longest runs start first.
    at : str
        Current time, in the format of `provenance.now`.

    Returns
    -------
    float or None
        Seconds, at least those of the longest job; None if nothing runs, or before a speed is known.
    """
    flops_per_s = _flops_per_s(rows, flops, at)
    n_running = len({row.job_id for row in rows if row.state == "running"})
    if flops_per_s is None or not n_running:
        return None
    left: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        if row.state not in FINISHED:
            left[row.job_id] += flops[row.run_id] * (1 - row.step / row.n_steps)
    return max(sum(left.values()) / n_running, *left.values()) / flops_per_s


def seconds_spent(row: RunStatus, at: str) -> float:
    """Seconds spent on a run: by attempts that ended, plus its share of the running one."""
    if row.since is None:
        return row.spent_s
    under_way = datetime.fromisoformat(at) - datetime.fromisoformat(row.since).astimezone(UTC)
    return row.spent_s + under_way.total_seconds() / row.n_together


def _flops_per_s(rows: Sequence[RunStatus], flops: Mapping[str, float], at: str) -> float | None:
    """Speed of a job, measured on the runs done so far, or on running ones if none is done."""
    done = [(flops[row.run_id], row.wall_s) for row in rows if row.state == "done" and row.wall_s]
    running = [
        (flops[row.run_id] * row.step / row.n_steps, seconds_spent(row, at)) for row in rows if row.state == "running"
    ]
    work, seconds = map(sum, zip(*(done or running), strict=True)) if done or running else (0.0, 0.0)
    return work / seconds if work > 0 and seconds > 0 else None
