"""Find the status of every run of a sweep from its files."""

import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from scaling_harness.execution.attempts import attempt_numbers, is_alive, read_attempt, read_end, spent_seconds
from scaling_harness.record.record import METRICS_FILE, RECORD_FILE
from scaling_harness.record.store import Store

State = Literal["done", "diverged", "failed", "running", "waiting"]
FINISHED = ("done", "diverged", "failed")

_TAIL_BYTES = 4096


@dataclass(frozen=True)
class RunStatus:
    """Status of one run at one moment."""

    run_id: str
    job_id: str
    state: State
    n_steps: int
    step: int = 0
    loss_nats: float | None = None
    """Final validation loss of a finished run; last training loss of any other."""
    n_attempts: int = 0
    since: str | None = None
    """Start of the running attempt."""
    where: str | None = None
    """Host and process of the running attempt."""
    reason: str | None = None
    """Why the run failed or diverged; how the last attempt ended, if the run is waiting."""
    wall_s: float | None = None
    """Training seconds of a finished run, without lost work."""
    spent_s: float = 0.0
    """Seconds of all attempts that ended, including lost work."""
    n_together: int = 1
    """Number of runs that the running attempt trains in lockstep."""


class Run(Protocol):
    """The part of a `Plan` that its status needs."""

    @property
    def run_id(self) -> str:
        """Name of its folder in the store."""
        ...

    @property
    def n_steps(self) -> int:
        """Length in steps."""
        ...


class RunsOfJob(Protocol):
    """The part of a `Job` that its status needs."""

    @property
    def job_id(self) -> str:
        """Name of its checkpoint."""
        ...

    @property
    def runs(self) -> Sequence[Run]:
        """Runs trained in lockstep."""
        ...


def status(jobs: Sequence[RunsOfJob], store: Store, before: Sequence[RunStatus] = ()) -> tuple[RunStatus, ...]:
    """Find the status of every run of some jobs.

    Parameters
    ----------
    jobs : sequence of RunsOfJob
        Jobs of a manifest or of a planned sweep.
    store : Store
        Where the runs are stored.
    before : sequence of RunStatus, optional
        Earlier result: runs that were finished then are not read again.

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
    """Read the last complete training row of a `metrics.jsonl` without reading the rest; empty if there is none."""
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
        with open(f"{directory}/{RECORD_FILE}", "rb", buffering=0) as file:
            text = file.read()
    except FileNotFoundError:
        return _unfinished(run, job_id, directory, numbers)
    return _finished(run, job_id, text, directory, numbers)


@dataclass(frozen=True)
class _Loss:
    loss_nats: float


@dataclass(frozen=True)
class _Outcome:
    """The part of a record that a status needs; of ten thousand runs, reading no more takes a third of the time."""

    status: Literal["completed", "diverged", "failed"]
    reason: str | None
    wall_s: float
    losses: dict[str, _Loss]


@functools.cache
def _schema() -> TypeAdapter[_Outcome]:
    return TypeAdapter(_Outcome)


def _finished(run: Run, job_id: str, text: bytes, directory: Path, numbers: list[int]) -> RunStatus:
    try:
        record = _schema().validate_json(text)
    except ValidationError:
        reason = "its record is damaged: delete record.json and run the sweep again"
        return RunStatus(run.run_id, job_id, "failed", run.n_steps, n_attempts=len(numbers), reason=reason)
    state: State = "done" if record.status == "completed" else record.status
    valid = record.losses.get("valid")
    return RunStatus(
        run.run_id,
        job_id,
        state,
        run.n_steps,
        step=run.n_steps if state == "done" else 0,
        loss_nats=valid.loss_nats if valid else None,
        n_attempts=len(numbers),
        reason=record.reason,
        wall_s=record.wall_s,
        # The record knows the time of a single attempt, which saves reading its files for ten thousand runs.
        spent_s=record.wall_s if len(numbers) < 2 else spent_seconds(directory, numbers),
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
