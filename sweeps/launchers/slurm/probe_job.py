"""A probe on a node of SLURM, awaited where it was asked for."""

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
from sweeps.timing.probe import Probe, kept

_POLL_S = poll_s(2.0)
_SEEN_LATE_S = 10.0
"""How long a shared file system may hide what a task wrote before it left."""


def wait_for_probe(folder: Path, launcher: SlurmLauncherConfig, threads: int) -> Probe:
    """Submit a probe, or find the one submitted, and wait for what it finds.

    Parameters
    ----------
    folder : Path
        That of `probe.prepare`.
    launcher : SlurmLauncherConfig
        What to ask SLURM for.
    threads : int
        Of a training process.

    Returns
    -------
    Probe

    Raises
    ------
    UserError
        SLURM refuses.
    HarnessError
        The task left, and found nothing.
    """
    job_id = submit_probe(launcher, folder, threads)
    print(f"probe {job_id} is in SLURM's queue; interrupted here, it goes on: ask again for it", file=sys.stderr)
    last_seen = time.monotonic()
    while (probe := kept(folder.parent)) is None:
        if live_tasks([job_id]):
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen > _SEEN_LATE_S:
            said = [f"{path}: {line}" for path, lines in log_files(folder / LOGS).items() for line in lines]
            raise HarnessError(f"probe {job_id} found nothing; its output: {'; '.join(said[-1:]) or 'none'}")
        time.sleep(_POLL_S)
    return probe
