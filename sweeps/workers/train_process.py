"""Train a job for its worker, alone or with other processes: `python -m sweeps.workers.train_process`.

`subprocess_trainer` starts this process.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scaling_harness.errors import CannotTrainHereError, one_line
from scaling_harness.execution.attempts import attempt_numbers, read_attempt
from scaling_harness.execution.execute import load_train
from scaling_harness.execution.signals import Stop, die_with_parent, stop_on_signals
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import write_json
from scaling_harness.record.store import Store
from scaling_harness.training.memory import keep_freed_memory
from scaling_harness.training.oversight import ClaimLost, Interrupted
from sweeps.planning.manifest import read_manifest
from sweeps.workers.process import entry_point, parser_of
from sweeps.workers.subprocess_trainer import STEP_FILE, STOP_FILE, error_file

_REPORT_S = 1.0
"""Least seconds between two reports of the step to the worker."""


class DelegatedOversight:
    """`Oversight` of a process whose worker holds the claim.

    A process on another node than the worker's sees neither the worker nor, at once, what it wrote. It leaves both to
    those on the first node, one of which writes all files: if they stop, it does as well (`Ranks.tick`).
    """

    def __init__(self, job: Job, store: Store, worker: int, stop: Stop, folder: Path) -> None:
        self._directories = [store.run_dir(run.run_id) for run in job.runs]
        self._worker, self._stop, self._folder = worker, stop, folder
        self._is_beside_worker = os.environ.get("GROUP_RANK", "0") == "0"  # torchrun's number of this node
        self._reported = 0.0

    def tick(self, step: int) -> None:
        """Report the step, and stop on a signal, on the worker's order (a file), or if the worker died."""
        if time.monotonic() - self._reported > _REPORT_S:
            with contextlib.suppress(OSError):
                (self._folder / STEP_FILE).write_text(str(step))
            self._reported = time.monotonic()
        if self._stop() or (self._folder / STOP_FILE).exists() or not self._worker_lives():
            raise Interrupted(f"stopped at step {step}")

    def confirm(self) -> None:
        """Check that the newest attempt is the worker's; see `Oversight`."""
        if not self._is_beside_worker:
            return
        for directory in self._directories:
            newest = max(attempt_numbers(directory), default=0)
            attempt = read_attempt(directory, newest)
            if attempt is None or attempt.pid != self._worker:
                raise ClaimLost(f"the attempt at {directory.name} was overtaken by attempt {newest}")

    def _worker_lives(self) -> bool:
        if not self._is_beside_worker:
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._worker, 0)
            return True
        return False


@entry_point
def main(arguments: Sequence[str] | None = None) -> int:
    """Train runs, together with the other processes if there are any.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0 if the runs are trained or saved, else the exit code of the error.
    """
    die_with_parent()
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    with stop_on_signals(patient=True) as stop:
        try:
            _train(options, stop)
        except Interrupted:
            return 0
        except Exception as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            failure = {"reason": one_line(error), "errno": getattr(cause, "errno", None)}
            failure["refused"] = isinstance(error, CannotTrainHereError)
            with contextlib.suppress(OSError):
                write_json(options.shared / error_file(os.environ.get("RANK", "0")), failure)
            raise
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("sweeps.workers.train_process", "Train a job for the worker that holds its claim.")
    parser.add_argument("--runs", nargs="+", required=True, metavar="RUN_ID", help="unfinished runs of the job")
    parser.add_argument("--job", required=True, help="job_id, the name of the checkpoint")
    parser.add_argument("--shared", type=Path, required=True, help="folder for the step, the order to stop, and errors")
    parser.add_argument("--worker", type=int, required=True, help="process that holds the claim")
    return parser


def _train(options: argparse.Namespace, stop: Stop) -> None:
    manifest = read_manifest(options.folder)
    plans = {run.run_id: run for run in manifest.runs}
    job = Job(tuple(plans[run_id] for run_id in options.runs), planned_as=options.job)
    store = Store(options.folder.parent)
    oversight = DelegatedOversight(job, store, options.worker, stop, options.shared)
    load_train(options.train)(job, options.runtime or manifest.runtime, store, oversight)


if __name__ == "__main__":
    sys.exit(main())
