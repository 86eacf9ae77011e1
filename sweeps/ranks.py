"""One run on several processes: the worker that holds its claim starts torchrun, and watches over it. No torch."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scaling_harness.claim import Interrupted, Oversight
from scaling_harness.config import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.execute import Train
from scaling_harness.memory import is_out_of_memory, kernel_kills
from scaling_harness.plan import Job
from scaling_harness.record import RunRecord
from scaling_harness.store import Store
from sweeps.status import last_row

STOP_FILE = "stop"
_POLL_S = 0.25


def train_on(n_processes: int, sweep_dir: Path) -> Train:
    """Make a training function that has each job trained by several processes; see `sweeps.rank`.

    Parameters
    ----------
    n_processes : int
        Of a run; each takes its share of every batch.
    sweep_dir : Path
        Folder of the sweep, whose manifest the processes read.

    Returns
    -------
    callable
        See `trainer.train`.
    """

    def train(job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> list[RunRecord]:
        kills = kernel_kills()
        with tempfile.TemporaryDirectory() as folder:
            command = _command(n_processes, sweep_dir, job, runtime, Path(folder))
            with subprocess.Popen(command, stdin=subprocess.DEVNULL) as torchrun:
                try:
                    order = _watch(torchrun, Path(folder) / STOP_FILE, oversight)
                except BaseException:
                    torchrun.terminate()
                    raise
            if not all(store.is_finished(run.run_id) for run in job.runs):
                oversight.confirm()
                if order is not None:
                    step = last_row(store.metrics_path(job.runs[0].run_id)).get("step", 0)
                    raise Interrupted(f"stopped at step {step}")
                raise reason(Path(folder), torchrun.returncode, killed=kernel_kills() > kills)
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
    return errors[0] if errors else HarnessError(f"torchrun ended with exit code {code}; the worker's log says more")


def _command(n_processes: int, sweep_dir: Path, job: Job, runtime: RuntimeConfig, folder: Path) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
    settings = json.dumps(dataclasses.asdict(runtime))
    options = [str(sweep_dir), "--runtime", settings, "--folder", str(folder), "--worker", str(os.getpid())]
    named = ["--job", job.job_id, *(run.run_id for run in job.runs)]
    return [*torchrun, "-m", "sweeps.rank", *options, *named]


def _watch(torchrun: "subprocess.Popen[bytes]", stop_file: Path, oversight: Oversight) -> Interrupted | None:
    """Keep the claim alive until the processes have left; the order to leave, if there was one."""
    order = None
    while torchrun.poll() is None:
        try:
            oversight.tick(0)
        except Interrupted as interrupted:
            order = interrupted
            stop_file.touch()
            oversight.confirm()
        time.sleep(_POLL_S)
    return order


def _error(said: dict[str, Any]) -> HarnessError:
    error = HarnessError(said["reason"])
    if said["errno"] is not None:
        error.__cause__ = OSError(said["errno"], said["reason"])
    return error
