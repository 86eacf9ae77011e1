"""Run a probe on a node of SLURM and wait for its result."""

import sys
import time
from pathlib import Path

from scaling_harness.errors import HarnessError
from scaling_harness.execution.intervals import poll_s
from sweeps.config import SlurmLauncherConfig
from sweeps.launchers.slurm.commands import live_tasks
from sweeps.launchers.slurm.submit import submit_probe
from sweeps.planning.manifest import LOGS
from sweeps.status.logs import log_files
from sweeps.timing.probe import Probe, read_probe

_POLL_S = poll_s(2.0)
_SEEN_LATE_S = 10.0
"""Seconds for which a shared file system may not yet show what a task wrote before it ended."""


def wait_for_probe(folder: Path, launcher: SlurmLauncherConfig, threads: int) -> Probe:
    """Submit a probe, or find the one already submitted, and wait for its result.

    Parameters
    ----------
    folder : Path
        Folder that `probe.prepare_probe` made.
    launcher : SlurmLauncherConfig
        What to ask SLURM for.
    threads : int
        Number of threads of a training process.

    Returns
    -------
    Probe

    Raises
    ------
    UserError
        SLURM refuses.
    HarnessError
        The task ended without a result.
    """
    job_id = submit_probe(launcher, folder, threads)
    print(
        f"probe {job_id} is in SLURM's queue; if you interrupt this command the probe continues: "
        "give the command again to wait for it",
        file=sys.stderr,
    )
    last_seen = time.monotonic()
    while (probe := read_probe(folder.parent)) is None:
        if live_tasks([job_id]):
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen > _SEEN_LATE_S:
            output = [f"{path}: {line}" for path, lines in log_files(folder / LOGS).items() for line in lines]
            raise HarnessError(f"probe {job_id} ended without a result; its output: {'; '.join(output[-1:]) or 'none'}")
        time.sleep(_POLL_S)
    return probe
