"""Submit the arrays of a sweep to SLURM, and list them in `submissions.jsonl`, one line per array."""

import contextlib
import dataclasses
import fcntl
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.execution.attempts import lock
from scaling_harness.record.atomic_files import explain_os_errors, read_jsonl, write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.store import Store
from sweeps.config import SlurmLauncherConfig
from sweeps.launchers.slurm.batch_script import batch_script
from sweeps.launchers.slurm.commands import live_tasks, max_array_size, submit_script
from sweeps.planning.manifest import LOGS, Manifest

_FILE = "submissions.jsonl"
_LOCK = "submissions.lock"


@dataclass(frozen=True)
class Submission:
    """One submitted array."""

    job_id: str
    submitted: str
    n_tasks: int
    script: str


def submit(manifest: Manifest, launcher: SlurmLauncherConfig, store: Store) -> str:
    """Submit the missing workers of a sweep.

    Parameters
    ----------
    manifest : Manifest
        The sweep, already written to the store.
    launcher : SlurmLauncherConfig
        What to submit; tasks that wait or run count towards its `workers`.
    store : Store
        Where the runs are stored.

    Returns
    -------
    str
        What was done, for the user.

    Raises
    ------
    UserError
        SLURM refuses, or the folder cannot be written.
    """
    sweep_dir = store.sweep_dir(manifest.name).resolve()
    n_open = sum(not all(store.is_finished(run.run_id) for run in job.runs) for job in manifest.jobs)
    if not n_open:
        return f"every run of {manifest.name} is finished: nothing was submitted"
    with _submission_lock(sweep_dir):
        live = len(live_tasks(row.job_id for row in submissions(sweep_dir)))
        missing = min(launcher.workers, math.ceil(n_open / launcher.slots)) - live
        if missing <= 0:
            return f"{live} workers of {manifest.name} wait or run already: nothing was submitted"
        made = list(_submit(launcher, sweep_dir, manifest.runtime.threads, missing))
    arrays = ", ".join(f"{row.job_id} ({row.n_tasks} {'task' if row.n_tasks == 1 else 'tasks'})" for row in made)
    return (
        f"submitted {arrays} for {n_open} jobs of {manifest.name}; "
        f"follow them with `scaling-harness sweep status {manifest.name}`"
    )


def submit_probe(launcher: SlurmLauncherConfig, folder: Path, threads: int) -> str:
    """Submit a task that probes the machine it gets, unless one waits or runs.

    Parameters
    ----------
    launcher : SlurmLauncherConfig
        What to ask SLURM for.
    folder : Path
        Folder that `probe.prepare_probe` made.
    threads : int
        Number of threads of a training process.

    Returns
    -------
    str
        Job id of the task.

    Raises
    ------
    UserError
        SLURM refuses, or the folder cannot be written.
    """
    folder = folder.resolve()
    with _submission_lock(folder):
        jobs = [row.job_id for row in submissions(folder)]
        if live_tasks(jobs):
            return jobs[-1]
        return _submit_array(
            folder, batch_script(launcher, folder, threads, (0, 0), None, "sweeps.timing.probe"), 1
        ).job_id


def submissions(sweep_dir: Path) -> list[Submission]:
    """Read the list of submitted arrays."""
    return [Submission(**row) for row in read_jsonl(sweep_dir / _FILE)]


def _submit(launcher: SlurmLauncherConfig, sweep_dir: Path, threads: int, n_tasks: int) -> Iterator[Submission]:
    """Submit tasks in as many arrays as the site's limit on array indices requires."""
    size = max_array_size()
    for start in range(0, n_tasks, size):
        n = min(size, n_tasks - start)
        cap = None if launcher.cap is None else max(1, launcher.cap * n // n_tasks)
        script = batch_script(launcher, sweep_dir, threads, (0, n - 1), cap)
        yield _submit_array(sweep_dir, script, n)


def _submit_array(sweep_dir: Path, script: str, n_tasks: int) -> Submission:
    submission = Submission(submit_script(script), now(), n_tasks, script)
    _append(sweep_dir, submission)
    return submission


def _append(sweep_dir: Path, submission: Submission) -> None:
    """Add a line by rewriting the whole file, which drops a line torn by a full disk."""
    rows = [*submissions(sweep_dir), submission]
    write_text(sweep_dir / _FILE, "".join(json.dumps(dataclasses.asdict(row)) + "\n" for row in rows))


@contextlib.contextmanager
def _submission_lock(sweep_dir: Path) -> Iterator[None]:
    """Hold a lock while counting and submitting, so that two launchers do not submit the same workers."""
    path = sweep_dir / _LOCK
    with explain_os_errors(path):
        (sweep_dir / LOGS).mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        lock(file.fileno(), fcntl.LOCK_EX)
        yield
