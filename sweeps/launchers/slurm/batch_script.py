"""The shell script that an array task of SLURM runs, as text."""

import os
import shlex
import sys
from pathlib import Path

from sweeps.config import SlurmLauncherConfig
from sweeps.planning.manifest import LOGS
from sweeps.workers.resources import import_path

NODE = 'sweeps.launchers.node --log "$task"'
_SCRIPT = """\
#!/bin/bash
{directives}

# An order to save and leave is passed on; the node answers it with exit code 75 where work is left.
stopped= node=
trap 'stopped=1; [ -z "$node" ] || kill -TERM "$node"' USR2 TERM
task=${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}
{setup}

{command} &
node=$!
[ -z "$stopped" ] || kill -TERM "$node"
stopped=
wait "$node"; code=$?
while [ "$stopped" ]; do stopped=; wait "$node"; code=$?; done

# 137: the node was killed; 143: the order came before it could listen. A task that SLURM cancels, or puts back into
# the queue itself, is not RUNNING.
case $code in 75 | 137 | 143) ;; *) exit "$code" ;; esac
state=$(squeue --noheader --jobs "$task" --format %T)
if [ "$state" = RUNNING ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {max_restarts} ]; then
    exec scontrol requeue "$task"
fi
exit "$code"
"""

_MAX_RESTARTS = 200
"""Of a task; a guard against one that only dies."""


def batch_script(
    launcher: SlurmLauncherConfig,
    sweep_dir: Path,
    threads: int,
    tasks: tuple[int, int],
    cap: int | None,
    program: str = NODE,
) -> str:
    """Write the script of one array.

    Parameters
    ----------
    launcher : SlurmLauncherConfig
        What to ask SLURM for.
    sweep_dir : Path
        Folder of the sweep, or what else the program has a manifest in; absolute.
    threads : int
        Of a training process.
    tasks : (int, int)
        First and last index of the array.
    cap : int or None
        Tasks that may run at once.
    program : str
        Python module and its options besides the folder and the slots.

    Returns
    -------
    str
    """
    options = [
        *_directives(launcher, sweep_dir, threads),
        f"--array={tasks[0]}-{tasks[1]}" + (f"%{cap}" if cap else ""),
    ]
    return _SCRIPT.format(
        max_restarts=_MAX_RESTARTS,
        directives="\n".join(f"#SBATCH {option}" for option in [*options, *launcher.sbatch]),
        setup="\n".join([*_environment(launcher), *launcher.setup]),
        command=f"{_python(launcher)} -m {program} --slots {launcher.slots} {shlex.quote(str(sweep_dir))}",
    )


def _directives(launcher: SlurmLauncherConfig, sweep_dir: Path, threads: int) -> list[str]:
    cpus = launcher.cpus_per_run or threads * launcher.gpus_per_run
    asked = {
        "job-name": f"sweep-{sweep_dir.name}",
        "partition": launcher.partition,
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": cpus * launcher.slots,
        "gres": f"gpu:{launcher.gpus}" if launcher.gpus else None,
        "mem": launcher.memory,
        "time": launcher.time,
        "account": launcher.account,
        "qos": launcher.qos,
        "constraint": launcher.constraint,
        "signal": f"B:USR2@{launcher.warn_s}",
        "open-mode": "append",
        "output": f"{sweep_dir}/{LOGS}/%A_%a.out",
        "chdir": os.getcwd(),
    }
    given = (f"--{name}={value}" for name, value in asked.items() if value is not None)
    return ["--requeue", *map(shlex.quote, given)]


def _environment(launcher: SlurmLauncherConfig) -> list[str]:
    """What can be imported here can be imported there; a container brings its own."""
    return [] if launcher.container else [f"export PYTHONPATH={shlex.quote(import_path())}"]


def _python(launcher: SlurmLauncherConfig) -> str:
    return f"{launcher.container} python" if launcher.container else shlex.quote(sys.executable)
