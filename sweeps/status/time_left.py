"""How long a sweep will still take, from what is known of its runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sweeps.status.run_status import FINISHED, RunStatus


def seconds_left(rows: Sequence[RunStatus], flops: Mapping[str, float], at: str) -> float | None:
    """Estimate the time until every run is finished, if as many jobs go on as run now.

    Parameters
    ----------
    rows : sequence of RunStatus
        The runs of a sweep, as they stand.
    flops : mapping of str to float
        What each costs, by run_id: work is counted so, for runs start in an order, the longest first.
    at : str
        The time, as `provenance.now` says it.

    Returns
    -------
    float or None
        Seconds, at least those of the longest job; None while nothing runs, or before anything has a speed.
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
    """Seconds spent on a run: by attempts that have ended, and its share of the one under way."""
    if row.since is None:
        return row.spent_s
    under_way = datetime.fromisoformat(at) - datetime.fromisoformat(row.since).astimezone(UTC)
    return row.spent_s + under_way.total_seconds() / row.n_together


def _flops_per_s(rows: Sequence[RunStatus], flops: Mapping[str, float], at: str) -> float | None:
    """Speed of a job: that of the runs done so far, or before any is, of those that run."""
    done = [(flops[row.run_id], row.wall_s) for row in rows if row.state == "done" and row.wall_s]
    running = [
        (flops[row.run_id] * row.step / row.n_steps, seconds_spent(row, at)) for row in rows if row.state == "running"
    ]
    work, seconds = map(sum, zip(*(done or running), strict=True)) if done or running else (0.0, 0.0)
    return work / seconds if work > 0 and seconds > 0 else None
