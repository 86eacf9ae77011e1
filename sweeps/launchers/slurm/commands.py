"""Call SLURM's commands; a refusal becomes a `UserError`."""

import re
import shutil
import subprocess
from collections.abc import Iterable

from scaling_harness.errors import UserError

_TIMEOUT_S = 60.0


def check_partition(partition: str | None) -> None:
    """Check that this machine can submit to SLURM, and that a partition exists.

    Raises
    ------
    UserError
        It cannot, or there is no such partition.
    """
    if shutil.which("sbatch") is None:
        raise UserError("launcher=slurm needs sbatch, which is not on the PATH: use a login node, or launcher=local")
    known = sorted(set(call("sinfo", "--noheader", "--format=%R").split()))
    if partition is not None and (unknown := set(partition.split(",")) - set(known)):
        raise UserError(f"there is no partition {', '.join(sorted(unknown))}: choose one of {', '.join(known)}")


def max_array_size() -> int:
    """Ask SLURM for the limit on array indices, which all indices stay below."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", call("scontrol", "show", "config"), re.MULTILINE)
    return int(match[1]) if match else 1001


def submit_script(script: str) -> str:
    """Submit a batch script and return its job id."""
    return call("sbatch", "--parsable", text=script).strip().partition(";")[0]


def live_tasks(job_ids: Iterable[str]) -> dict[str, str]:
    """Return the states of the waiting and running tasks of some arrays, by `ARRAY_TASK`."""
    wanted = set(job_ids)
    lines = call("squeue", "--me", "--noheader", "--array", "--format=%F %i %T").splitlines() if wanted else []
    rows = [line.split() for line in lines]
    return {task: state for job_id, task, state in rows if job_id in wanted and state != "COMPLETING"}


def call(command: str, *options: str, text: str = "") -> str:
    """Run a command of SLURM.

    Parameters
    ----------
    command : str
        Name of the command.
    options : str
        Arguments of the command.
    text : str
        Standard input of the command.

    Returns
    -------
    str
        Standard output of the command.

    Raises
    ------
    UserError
        The command does not exist, refused, or did not answer in time.
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
