"""SLURM's own commands, called; what they refuse is a sentence."""

import re
import shutil
import subprocess
from collections.abc import Iterable

from scaling_harness.errors import UserError

_TIMEOUT_S = 60.0


def check_partition(partition: str | None) -> None:
    """Check that this machine submits to SLURM, and that a partition exists.

    Raises
    ------
    UserError
        It does not.
    """
    if shutil.which("sbatch") is None:
        raise UserError("launcher=slurm needs sbatch, which is not on the PATH: use a login node, or launcher=local")
    known = sorted(set(call("sinfo", "--noheader", "--format=%R").split()))
    if partition is not None and (unknown := set(partition.split(",")) - set(known)):
        raise UserError(f"there is no partition {', '.join(sorted(unknown))}: choose one of {', '.join(known)}")


def max_array_size() -> int:
    """Ask for the number that indices of an array stay below."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", call("scontrol", "show", "config"), re.MULTILINE)
    return int(found[1]) if found else 1001


def submit_script(script: str) -> str:
    """Submit a script; return the id of its job."""
    return call("sbatch", "--parsable", text=script).strip().partition(";")[0]


def live_tasks(job_ids: Iterable[str]) -> dict[str, str]:
    """Ask which tasks of some arrays wait or run: their states by `ARRAY_TASK`."""
    wanted = set(job_ids)
    lines = call("squeue", "--me", "--noheader", "--array", "--format=%F %i %T").splitlines() if wanted else []
    rows = [line.split() for line in lines]
    return {task: state for job_id, task, state in rows if job_id in wanted and state != "COMPLETING"}


def call(command: str, *options: str, text: str = "") -> str:
    """Run a command of SLURM.

    Parameters
    ----------
    command : str
        Its name.
    options : str
        Its arguments.
    text : str
        Its input.

    Returns
    -------
    str
        What it printed.

    Raises
    ------
    UserError
        It is not there, refused, or did not answer.
    """
    try:
        done = subprocess.run([command, *options], input=text, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except FileNotFoundError as error:
        raise UserError(f"{command} is not on the PATH: SLURM is not installed here") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command} did not answer within {_TIMEOUT_S:.0f} s: is SLURM's controller up?") from error
    if done.returncode:
        raise UserError(f"{command} refused: {' '.join(done.stderr.split())}")
    return done.stdout
