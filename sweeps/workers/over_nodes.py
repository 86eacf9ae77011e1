"""Start the processes of one run on every node of a SLURM job: `python -m sweeps.workers.over_nodes N K -m MODULE ...`.

The worker that holds the claim runs on the first node of its job, and starts this there. This becomes SLURM's srun,
which starts torchrun on each of N nodes for K processes; they meet at a free port of the first node.
"""

import os
import socket
import sys
from collections.abc import Sequence

from scaling_harness.execution.signals import die_with_parent


def srun_command(n_nodes: int, per_node: int, words: Sequence[str], host: str, port: int) -> list[str]:
    """Return the command that starts processes on every node of the SLURM job around this process.

    Parameters
    ----------
    n_nodes : int
        Number of nodes of the job.
    per_node : int
        Number of processes on each.
    words : sequence of str
        What torchrun starts, such as `-m MODULE` and its arguments.
    host : str
        Name of the first node, on which this runs.
    port : int
        A free port there, at which the processes meet.

    Returns
    -------
    list of str
    """
    cpus = os.environ.get("SLURM_CPUS_PER_TASK")  # since version 22.05 srun no longer takes it from the job
    options = [f"--nodes={n_nodes}", f"--ntasks={n_nodes}", "--ntasks-per-node=1", "--input=none", "--mpi=none"]
    options += [f"--cpus-per-task={cpus}"] if cpus else []
    # The processes on a node whose neighbour died would wait for it.
    options += ["--kill-on-bad-exit=1"]
    # The backend `static`, torchrun's default, numbers the processes by SLURM's number of their node (see `torchrun`):
    # the first one, which writes and watches the worker, is on the worker's node.
    together = [f"--nnodes={n_nodes}", f"--nproc-per-node={per_node}", f"--master-addr={host}", f"--master-port={port}"]
    return ["srun", *options, sys.executable, "-m", "sweeps.workers.torchrun", *together, *words]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    die_with_parent()
    first = os.environ.get("MASTER_ADDR", socket.gethostname())
    srun = srun_command(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:], first, _free_port())
    os.execvp(srun[0], srun)
