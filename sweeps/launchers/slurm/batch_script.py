"""Write the shell script that an array task of SLURM runs."""

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

# Pass an order to save and exit on to the node, which then exits with code 75 if work is left.
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

# 137: the node was killed; 143: the order came before the node could handle it. A task that SLURM cancels or requeues
# itself is not RUNNING.
case $code in 75 | 137 | 143) ;; *) exit "$code" ;; esac
state=$(squeue --noheader --jobs "$task" --format %T)
if [ "$state" = RUNNING ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {max_restarts} ]; then
    exec scontrol requeue "$task"
fi
exit "$code"
"""

_MAX_RESTARTS = 200
"""Largest number of restarts of a task, in case it dies every time."""


def batch_script(
    launcher: SlurmLauncherConfig,
    sweep_dir: Path,
    threads: int,
    tasks: tuple[int, int],
    cap: int | None,
    program: str = NODE,
) -> str:
    """Write the batch script of one array.

    Parameters
    ----------
    launcher : SlurmLauncherConfig
        What to ask SLURM for.
    sweep_dir : Path
        Absolute path of the folder with the manifest that the program reads, such as that of the sweep.
    threads : int
        Number of threads of a training process.
    tasks : (int, int)
        First and last index of the array.
    cap : int or None
        Number of tasks that may run at once; None for all.
    program : str
        Python module and its options, without the folder and the slots.

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
    cpus = launcher.cpus_per_run or threads * launcher.processes_per_node
    requested = {
        "job-name": f"sweep-{sweep_dir.name}",
        "partition": launcher.partition,
        "nodes": launcher.nodes_per_run,
        "ntasks": launcher.nodes_per_run,
        "ntasks-per-node": 1 if launcher.nodes_per_run > 1 else None,
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
    directives = (f"--{name}={value}" for name, value in requested.items() if value is not None)
    return ["--requeue", *map(shlex.quote, directives)]


def _environment(launcher: SlurmLauncherConfig) -> list[str]:
    """Export this process's import path to the task; a container brings its own."""
    return [] if launcher.container else [f"export PYTHONPATH={shlex.quote(import_path())}"]


def _python(launcher: SlurmLauncherConfig) -> str:
    """Python of the task; outside a container it finds the working directory last, where that path has it."""
    return f"{launcher.container} python" if launcher.container else f"{shlex.quote(sys.executable)} -P"
