"""What a task of Ray does: run a program of the harness on the machine that Ray chose. It does not import Ray."""

import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scaling_harness.errors import HarnessError, UserError
from sweeps.planning.manifest import LOGS
from sweeps.workers.resources import import_path
from sweeps.workers.supervise import POLL_S, Pool, exit_sentence

_FINAL = (0, HarnessError.exit_code, UserError.exit_code)
"""Exit codes after which a task is not tried again."""


def run_node(options: Sequence[str], folder: Path, threads: int, cwd: str, path: str) -> tuple[int, str]:
    """Train a sweep on this machine, one run after the other; see `sweeps.launchers.node` and `run_program`."""
    return run_program(["sweeps.launchers.node", *options, "--parent", str(os.getpid())], folder, threads, cwd, path)


def run_program(words: Sequence[str], folder: Path, threads: int, cwd: str, path: str) -> tuple[int, str]:
    """Run a Python module until it ends; its output goes into the logs of its folder.

    Parameters
    ----------
    words : sequence of str
        The module and its arguments.
    folder : Path
        Folder with a manifest, that of the sweep or of a probe, on a file system that all machines share.
    threads : int
        Number of threads of its numerical libraries.
    cwd : str
        Working directory of the command that asked for it, used if it exists here.
    path : str
        Import path of that command, which stands before the one here.

    Returns
    -------
    tuple
        Its exit code, and the last line that it printed.

    Raises
    ------
    HarnessError
        It was killed, or left before all was done: Ray runs the task once more. After an interrupt from Ray, which
        cancels a task so, it has saved its runs.
    """
    host = socket.gethostname()
    if not folder.is_dir():
        return UserError.exit_code, f"{host} has no folder {folder}: every node of the Ray cluster must have it mounted"
    if os.path.isdir(cwd):
        os.chdir(cwd)  # folders in the configuration may be relative
    environment = {"PYTHONPATH": os.pathsep.join([path, import_path()])}
    pool = Pool([sys.executable, "-m", *words], threads, folder / LOGS / f"ray-{host}-{os.getpid()}", [environment])
    with pool.stopping_all():
        pool.start_all()
        try:
            while not (ended := list(pool.reap())):
                time.sleep(POLL_S)
        except KeyboardInterrupt as interrupt:
            raise HarnessError(f"cancelled on {host}") from interrupt
    code, last_line = ended[0].code, ended[0].last_line
    if code not in _FINAL:
        raise HarnessError(f"a worker on {host} {exit_sentence(code)}")
    return code, last_line
