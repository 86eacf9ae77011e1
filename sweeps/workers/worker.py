"""Train job after job of a sweep until none is left: `python -m sweeps.workers.worker SWEEP_DIR`.

The local pool starts this process, but any scheduler may.
"""

import contextlib
import itertools
import random
import sys
import time
from collections.abc import Container, Sequence

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.execution.execute import Outcome, Train, execute, load_train
from scaling_harness.execution.intervals import poll_s
from scaling_harness.execution.orphaned_branches import is_ready
from scaling_harness.execution.signals import Stop, stop_on_signals
from scaling_harness.plan.plan import Job
from scaling_harness.record.provenance import now
from scaling_harness.record.store import Store
from scaling_harness.training.memory import keep_freed_memory
from sweeps.planning.manifest import read_manifest
from sweeps.workers.circuit_breaker import check_repeated_error
from sweeps.workers.process import entry_point, parser_of
from sweeps.workers.subprocess_trainer import train_in_processes

LOOK_AGAIN_S = poll_s(1.0)
"""Pause before trying again a job that another worker has, that waits for its trunk, or that just failed."""
_IDLE_S = poll_s(0.1)
_MOST_DOUBLINGS = 20
_FINISHED = ("completed", "diverged", "gave_up", "finished")
"""Outcomes after which every run of a job has a record."""


def work(jobs: Sequence[Job], store: Store, runtime: RuntimeConfig, stop: Stop, train: Train, name: str) -> None:
    """Train every free job, in order, until all are finished or a stop is requested.

    Parameters
    ----------
    jobs : sequence of Job
        Longest first.
    store : Store
        Where the runs are stored.
    runtime : RuntimeConfig
        Where and how to train.
    stop : Stop
        Whether to stop.
    train : callable
        See `execute.execute`.
    name : str
        Name of the sweep, for messages.

    Raises
    ------
    UserError, HarnessError
        The store cannot be written, or several jobs failed with the same error.
    """
    by_id, planned = {job.job_id: job for job in jobs}, {run.run_id for job in jobs for run in job.runs}
    unfinished: dict[str, Job] = {}
    look_at = dict.fromkeys(by_id, 0.0)
    refusals = 0
    while not stop():
        # List the unfinished jobs once more before leaving: a failed run may have been freed for a retry.
        unfinished = unfinished or {job_id: job for job_id, job in by_id.items() if not _is_finished(job, store)}
        if not unfinished:
            return
        now = time.monotonic()
        due = (job_id for job_id in unfinished if look_at[job_id] <= now)
        # If many workers hold the first jobs, random skips find a free one in a few tries, not in as many as there are.
        job_id = next(itertools.islice(due, random.randrange(2**refusals), None), None)
        if job_id is None:
            time.sleep(0.0 if refusals else _IDLE_S)
            refusals = 0
            continue
        job = unfinished[job_id]
        # Other workers have finished most of these jobs by now: checking the records is cheaper than trying a claim.
        if _is_finished(job, store):
            del unfinished[job_id]
            continue
        if _is_ready(job, planned, store):
            outcome = execute(job, runtime, store, stop, train)
            _print_outcome(job, outcome)
            if outcome.kind != "finished":
                # Shrink slowly after a success: about as many workers will compete next time.
                refusals = min(refusals + 1, _MOST_DOUBLINGS) if outcome.kind == "taken" else max(0, refusals - 2)
            if outcome.kind == "gave_up":
                check_repeated_error(jobs, store, name)
            if outcome.kind in _FINISHED:
                del unfinished[job_id]
        look_at[job_id] = time.monotonic() + LOOK_AGAIN_S


@entry_point
def main(arguments: Sequence[str] | None = None) -> int:
    """Work on a sweep.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0, or the exit code of the error, whose message is on stderr.
    """
    parser = parser_of("sweeps.workers.worker", "Train the jobs of a sweep.")
    parser.add_argument("--parent", type=int, help="leave when this process is gone")
    options = parser.parse_args(arguments)
    with stop_on_signals(options.parent, patient=True) as stop:
        manifest = read_manifest(options.folder)
        runtime = options.runtime or manifest.runtime
        keep_freed_memory()
        n_processes, n_nodes = manifest.launcher.gpus_per_run, manifest.launcher.n_nodes
        if n_processes > 1 or runtime.isolate:
            train = train_in_processes(n_processes, options.folder, options.train, n_nodes)
        else:
            train = load_train(options.train)
        work(manifest.jobs, Store(options.folder.parent), runtime, stop, train, manifest.name)
    return 0


def _print_outcome(job: Job, outcome: Outcome) -> None:
    """Print how an attempt ended; a full disk does not stop the worker."""
    if outcome.kind in ("taken", "finished"):
        return
    with contextlib.suppress(OSError):
        print(now(), job.job_id, outcome.kind, outcome.reason or "", flush=True)


def _is_ready(job: Job, planned: Container[str], store: Store) -> bool:
    """Whether a job need not wait for a trunk; a trunk outside the sweep is not waited for, as nobody trains it."""
    return all(run.trunk is None or run.trunk not in planned or is_ready(run, store) for run in job.runs)


def _is_finished(job: Job, store: Store) -> bool:
    return all(store.is_finished(run.run_id) for run in job.runs)


if __name__ == "__main__":
    sys.exit(main())
