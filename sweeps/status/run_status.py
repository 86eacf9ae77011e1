"""What is known of every run of a sweep, from files alone. No torch."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic_core import from_json

from scaling_harness.execution.attempts import attempt_numbers, is_alive, read_attempt, read_end, spent_seconds
from scaling_harness.record.record import METRICS_FILE, RECORD_FILE
from scaling_harness.record.store import Store

State = Literal["done", "diverged", "failed", "running", "waiting"]
FINISHED = ("done", "diverged", "failed")

_TAIL_BYTES = 4096


@dataclass(frozen=True)
class RunStatus:
    """One run at one moment."""

    run_id: str
    job_id: str
    state: State
    n_steps: int
    step: int = 0
    loss_nats: float | None = None
    """Final validation loss of a finished run, last training loss of another."""
    n_attempts: int = 0
    since: str | None = None
    """When the attempt that runs now started."""
    where: str | None = None
    """Host and process of that attempt."""
    reason: str | None = None
    """Why it failed or diverged; of a waiting run, how its last attempt ended."""
    wall_s: float | None = None
    """Seconds that a finished run took, without work that was lost."""
    spent_s: float = 0.0
    """Seconds of all attempts that have ended, lost work included."""
    n_together: int = 1
    """Runs that the attempt under way trains at once."""


class Run(Protocol):
    """A run as planned; a `Plan` or less."""

    @property
    def run_id(self) -> str:
        """Its folder in the store."""
        ...

    @property
    def n_steps(self) -> int:
        """Its length."""
        ...


class RunsOfJob(Protocol):
    """A job as planned; a `Job` or less."""

    @property
    def job_id(self) -> str:
        """Names its checkpoint."""
        ...

    @property
    def runs(self) -> Sequence[Run]:
        """Trained in lockstep."""
        ...


def status(jobs: Sequence[RunsOfJob], store: Store, before: Sequence[RunStatus] = ()) -> tuple[RunStatus, ...]:
    """Look at every run of some jobs.

    Parameters
    ----------
    jobs : sequence of RunsOfJob
        What to look at: those of a manifest, or of its listing.
    store : Store
        Where the runs live.
    before : sequence of RunStatus, optional
        An earlier answer: what was finished then is not looked at again.

    Returns
    -------
    tuple of RunStatus
        In the order of the jobs.
    """
    finished = {row.run_id: row for row in before if row.state in FINISHED}
    begun = _names(store)
    return tuple(
        finished.get(run.run_id) or _look(run, job.job_id, store, run.run_id in begun)
        for job in jobs
        for run in job.runs
    )


def states(jobs: Sequence[RunsOfJob], store: Store) -> dict[str, State]:
    """Return the state of every run of some jobs by run_id; see `status`."""
    return {row.run_id: row.state for row in status(jobs, store)}


def last_row(path: Path) -> dict[str, Any]:
    """Read the last whole training row of a `metrics.jsonl` without reading the rest; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return {}
    return next((row for row in map(_parse, reversed(lines)) if "loss" in row), {})


def _names(store: Store) -> Iterable[str]:
    try:
        return set(os.listdir(store.run_dir("x").parent))
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _look(run: Run, job_id: str, store: Store, begun: bool) -> RunStatus:
    if not begun:
        return RunStatus(run.run_id, job_id, "waiting", run.n_steps)
    directory = store.run_dir(run.run_id)
    numbers = attempt_numbers(directory)
    try:
        # Ten thousand times: a file object costs more than its file.
        descriptor = os.open(f"{directory}/{RECORD_FILE}", os.O_RDONLY)
        try:
            text = os.read(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return _unfinished(run, job_id, directory, numbers)
    return _finished(run, job_id, _parse(text), directory, numbers)


def _finished(run: Run, job_id: str, record: dict[str, Any], directory: Path, numbers: list[int]) -> RunStatus:
    known: dict[str, State] = {"completed": "done", "diverged": "diverged", "failed": "failed"}
    state = known.get(record.get("status", ""))
    if state is None:
        reason = "its record is damaged: delete record.json and run the sweep again"
        return RunStatus(run.run_id, job_id, "failed", run.n_steps, n_attempts=len(numbers), reason=reason)
    return RunStatus(
        run.run_id,
        job_id,
        state,
        run.n_steps,
        step=run.n_steps if state == "done" else 0,
        loss_nats=(record["losses"].get("valid") or {}).get("loss_nats"),
        n_attempts=len(numbers),
        reason=record["reason"],
        wall_s=record["wall_s"],
        # Of one attempt the record knows; ten thousand runs are looked at.
        spent_s=record["wall_s"] if len(numbers) < 2 else spent_seconds(directory, numbers),
    )


def _unfinished(run: Run, job_id: str, directory: Path, numbers: list[int]) -> RunStatus:
    row = last_row(directory / METRICS_FILE)
    seen = {"step": row.get("step", 0), "loss_nats": row.get("loss"), "n_attempts": len(numbers)}
    if numbers and is_alive(directory, numbers[-1]):
        seen["spent_s"] = spent_seconds(directory, numbers[:-1])
        if attempt := read_attempt(directory, numbers[-1]):
            seen |= {"where": f"{attempt.host}:{attempt.pid}", "since": attempt.started, "n_together": attempt.n_runs}
        return RunStatus(run.run_id, job_id, "running", run.n_steps, **seen)
    end = read_end(directory, numbers[-1]) if numbers else None
    seen |= {"reason": end.reason if end else None, "spent_s": spent_seconds(directory, numbers)}
    return RunStatus(run.run_id, job_id, "waiting", run.n_steps, **seen)


def _parse(text: bytes) -> dict[str, Any]:
    try:
        document = from_json(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
