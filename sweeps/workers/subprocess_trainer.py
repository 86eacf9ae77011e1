"""Train a job in one or several processes of its own, started and watched by the worker that holds its claim."""

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
from scaling_harness.errors import CannotTrainHereError, HarnessError
from scaling_harness.execution.claim import Died
from scaling_harness.execution.execute import TRAINER, Train
from scaling_harness.execution.intervals import poll_s
from scaling_harness.plan.plan import Job
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store
from scaling_harness.training.memory import is_out_of_memory, oom_kill_count
from scaling_harness.training.oversight import Interrupted, Oversight
from sweeps.status.run_status import last_row
from sweeps.workers.process import arguments_of
from sweeps.workers.resources import environment
from sweeps.workers.supervise import exit_sentence

STOP_FILE, STEP_FILE = "stop", "step"
"""Files in a folder that a worker shares with its processes: one orders them to stop, one holds their current step."""
_POLL_S = poll_s(0.25)


def train_in_processes(n_processes: int, sweep_dir: Path, target: str = TRAINER, n_nodes: int = 1) -> Train:
    """Make a training function that trains each job in new processes; see `sweeps.workers.train_process`.

    Parameters
    ----------
    n_processes : int
        Number of processes of a run; each takes its share of every batch.
    sweep_dir : Path
        Folder of the sweep, whose manifest the processes read.
    target : str
        `module:function` that trains, in place of `trainer.train`.
    n_nodes : int
        Number of nodes over which they are spread, all those of the SLURM job around this process.

    Returns
    -------
    callable
        See `trainer.train`.
    """

    def train(job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> list[RunRecord]:
        kills = oom_kill_count()
        # Processes on other nodes see the folder of the sweep, and not this machine's temporary ones.
        with tempfile.TemporaryDirectory(prefix="processes-", dir=sweep_dir if n_nodes > 1 else None) as folder:
            options = [*arguments_of(sweep_dir, runtime, target), "--worker", str(os.getpid()), "--shared", folder]
            options += ["--job", job.job_id, "--runs", *(run.run_id for run in job.runs)]
            command = start_command(n_processes, "sweeps.workers.train_process", options, n_nodes)
            with subprocess.Popen(command, env=environment(runtime.threads), stdin=subprocess.DEVNULL) as process:
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
                raise find_failure(Path(folder), process.returncode, killed=oom_kill_count() > kills)
        return [store.read(run.run_id) for run in job.runs]

    return train


def error_file(rank: str) -> str:
    """Return the name of the file in which a process writes why it failed."""
    return f"error-{rank}.json"


def find_failure(folder: Path, code: int, killed: bool) -> Exception:
    """Find out why processes ended early.

    Parameters
    ----------
    folder : Path
        Folder with their error files.
    code : int
        Exit code of the command that started them.
    killed : bool
        Whether the kernel killed a process for lack of memory in the meantime.

    Returns
    -------
    Exception
        An out-of-memory error if there is one, since it makes the other processes fail as well; else the first error.
    """
    files = sorted(folder.glob(error_file("*")), key=lambda path: path.stat().st_mtime_ns)
    errors = [_error(json.loads(path.read_bytes())) for path in files]
    if out_of_memory := [error for error in errors if is_out_of_memory(error)]:
        return out_of_memory[0]
    if killed:
        return MemoryError("out of memory: the kernel killed a process")
    return errors[0] if errors else Died(f"the training process: {exit_sentence(code)}; the worker's log may say more")


def start_command(n_processes: int, module: str, options: Sequence[str], n_nodes: int = 1) -> list[str]:
    """Return the command that starts a Python module, under torchrun if in several processes, on one or more nodes."""
    together = []
    if n_nodes > 1:
        together = ["-m", "sweeps.workers.over_nodes", str(n_nodes), str(n_processes // n_nodes)]
    elif n_processes > 1:
        together = ["-m", "sweeps.workers.torchrun", "--standalone", f"--nproc-per-node={n_processes}"]
    return [sys.executable, *together, "-m", module, *options]


def _watch(process: "subprocess.Popen[bytes]", folder: Path, oversight: Oversight) -> Interrupted | None:
    """Keep the claim alive until the processes have ended; return the order to stop, if there was one."""
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


def _error(document: dict[str, Any]) -> HarnessError:
    error = (CannotTrainHereError if document.get("refused") else HarnessError)(document["reason"])
    if document["errno"] is not None:
        error.__cause__ = OSError(document["errno"], document["reason"])
    return error


def _step(path: Path) -> int:
    """Read the current step of the processes; the file may be empty while it is written."""
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0
