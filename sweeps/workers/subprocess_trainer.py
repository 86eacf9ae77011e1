"""A job in one or several processes of its own: the worker that holds its claim starts them, and watches. No torch."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.execution.claim import Died
from scaling_harness.execution.execute import TRAINER, Train
from scaling_harness.execution.intervals import poll_s
from scaling_harness.plan.plan import Job
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store
from scaling_harness.training.memory import is_out_of_memory, kernel_kills
from scaling_harness.training.oversight import Interrupted, Oversight
from sweeps.status.run_status import last_row
from sweeps.workers.process import arguments_of
from sweeps.workers.resources import environment
from sweeps.workers.supervise import exit_sentence

STOP_FILE, STEP_FILE = "stop", "step"
"""In a folder that a worker and its processes have in common: there when they are to stop; how far they are."""
_POLL_S = poll_s(0.25)


def train_on(n_processes: int, sweep_dir: Path, target: str = TRAINER) -> Train:
    """Make a training function that has each job trained by fresh processes; see `sweeps.workers.train_process`.

    Parameters
    ----------
    n_processes : int
        Of a run; each takes its share of every batch.
    sweep_dir : Path
        Folder of the sweep, whose manifest the processes read.
    target : str
        `module:function`, instead of `trainer.train`.

    Returns
    -------
    callable
        See `trainer.train`.
    """

    def train(job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> list[RunRecord]:
        kills = kernel_kills()
        with tempfile.TemporaryDirectory() as folder:
            options = [*arguments_of(sweep_dir, runtime, target), "--worker", str(os.getpid()), "--shared", folder]
            options += ["--job", job.job_id, "--runs", *(run.run_id for run in job.runs)]
            command, env = (
                start_command(n_processes, "sweeps.workers.train_process", options),
                environment(runtime.threads),
            )
            with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL) as process:
                try:
                    order = _watch(process, Path(folder), oversight)
                except BaseException:
                    process.terminate()
                    raise
            if not all(store.is_finished(run.run_id) for run in job.runs):
                oversight.confirm()
                if order is not None:
                    step = last_row(store.metrics_path(job.runs[0].run_id)).get("step", 0)
                    raise Interrupted(f"stopped at step {step}")
                raise reason(Path(folder), process.returncode, killed=kernel_kills() > kills)
        return [store.read(run.run_id) for run in job.runs]

    return train


def error_file(rank: str) -> str:
    """Name of the file in which a process says why it failed."""
    return f"error-{rank}.json"


def reason(folder: Path, code: int, killed: bool) -> Exception:
    """Find out why processes left before the end.

    Parameters
    ----------
    folder : Path
        Holds what they said.
    code : int
        With which the whole ended.
    killed : bool
        Whether the kernel has killed for want of memory in the meantime.

    Returns
    -------
    Exception
        What one said of memory, for the others then fail because that one is gone; else what was said first.
    """
    files = sorted(folder.glob(error_file("*")), key=lambda path: path.stat().st_mtime_ns)
    errors = [_error(json.loads(path.read_bytes())) for path in files]
    if starved := [error for error in errors if is_out_of_memory(error)]:
        return starved[0]
    if killed:
        return MemoryError("the kernel killed a process for want of memory")
    return errors[0] if errors else Died(f"the training process: {exit_sentence(code)}; the worker's log may say more")


def start_command(n_processes: int, module: str, options: Sequence[str]) -> list[str]:
    """Words that start a module of Python, under torchrun where as several processes."""
    together = (
        ["-m", "sweeps.workers.torchrun", "--standalone", f"--nproc-per-node={n_processes}"] if n_processes > 1 else []
    )
    return [sys.executable, *together, "-m", module, *options]


def _watch(process: "subprocess.Popen[bytes]", folder: Path, oversight: Oversight) -> Interrupted | None:
    """Keep the claim alive until the processes have left; the order to leave, if there was one."""
    order = None
    while process.poll() is None:
        try:
            oversight.tick(_step(folder / STEP_FILE))
        except Interrupted as interrupted:
            order = interrupted
            (folder / STOP_FILE).touch()
            oversight.confirm()
        time.sleep(_POLL_S)
    return order


def _error(said: dict[str, Any]) -> HarnessError:
    error = HarnessError(said["reason"])
    if said["errno"] is not None:
        error.__cause__ = OSError(said["errno"], said["reason"])
    return error


def _step(path: Path) -> int:
    """Step that processes have come to; it may be read while it is written."""
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0
