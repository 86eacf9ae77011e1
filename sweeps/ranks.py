"""One run on several processes: the worker that holds its claim starts torchrun, and watches over it. No torch."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scaling_harness.claim import Interrupted, Oversight
from scaling_harness.config import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.execute import Train
from scaling_harness.plan import Job
from scaling_harness.record import RunRecord
from scaling_harness.store import Store
from sweeps.status import last_row

STOP_FILE = "stop"
ERROR_FILE = "error.json"
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
                raise _reason(Path(folder) / ERROR_FILE, torchrun.returncode, order, job, store)
        return [store.read(run.run_id) for run in job.runs]

    return train


def _command(n_processes: int, sweep_dir: Path, job: Job, runtime: RuntimeConfig, folder: Path) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
    settings = json.dumps(dataclasses.asdict(runtime))
    options = [str(sweep_dir), "--runtime", settings, "--folder", str(folder), "--worker", str(os.getpid())]
    return [*torchrun, "-m", "sweeps.rank", *options, *(run.run_id for run in job.runs)]


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


def _reason(path: Path, code: int, order: Interrupted | None, job: Job, store: Store) -> Exception:
    """Why the processes left before the end."""
    if order is not None:
        step = last_row(store.metrics_path(job.runs[0].run_id)).get("step", 0)
        return Interrupted(f"stopped at step {step}")
    if not path.exists():
        return HarnessError(f"torchrun ended with exit code {code}; the worker's log says more")
    said = json.loads(path.read_bytes())
    error = HarnessError(said["reason"])
    if said["errno"] is not None:
        error.__cause__ = OSError(said["errno"], said["reason"])
    return error
