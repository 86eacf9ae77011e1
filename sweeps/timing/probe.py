"""Measure how fast this machine trains a sweep, from timed steps of its smallest and its largest shape.

`python -m sweeps.timing.probe FOLDER --slots K` does so on a node. The steps are run by processes of their own
(`step_timer`), as many side by side as the sweep will have runs at once.
"""

import argparse
import dataclasses
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.errors import HarnessError
from scaling_harness.execution.execute import TRAINER
from scaling_harness.record.atomic_files import parse_json, write_json
from scaling_harness.record.provenance import now
from sweeps.planning.manifest import Manifest, read_manifest, write_manifest
from sweeps.planning.time_estimate import Speed, job_seconds, step_seconds
from sweeps.timing.step_timer import SHORT, StepTimes, with_length
from sweeps.workers.process import arguments_of, entry_point
from sweeps.workers.resources import environment, share_devices, share_memory, visible_devices
from sweeps.workers.subprocess_trainer import start_command

PROBE_FILE = "probe.json"
FOLDER = "probe"
"""Folder inside that of the sweep, with a manifest of the two jobs that are timed."""
_SECONDS = 1.5
"""Seconds of each shape in each round."""
_ROUNDS = 4


@dataclass(frozen=True)
class Probe:
    """Measured speed, with time and host; `sweeps.timing.cost` compares it with what the runs then took."""

    at: str
    where: str
    at_once: int
    """Number of runs side by side."""
    speed: Speed


def prepare_probe(sweep_dir: Path, manifest: Manifest) -> Path:
    """Write a manifest of the smallest and the largest job, in a folder of its own.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the sweep.
    manifest : Manifest
        The sweep.

    Returns
    -------
    Path
        The folder.
    """
    jobs = sorted((job for job in manifest.jobs if not job.needs), key=lambda job: sum(step_seconds(job)))
    ends = (jobs[0], jobs[-1]) if len(jobs) > 1 else (jobs[0],)
    write_manifest(sweep_dir / FOLDER, dataclasses.replace(manifest, jobs=ends))
    return sweep_dir / FOLDER


def run_probe(
    folder: Path, at_once: int, seconds: float = _SECONDS, rounds: int = _ROUNDS, train: str = TRAINER
) -> Probe:
    """Time steps of the jobs in a folder, and write the result beside it.

    Parameters
    ----------
    folder : Path
        Folder that `prepare_probe` made.
    at_once : int
        Number of copies side by side, as the sweep's runs will be.
    seconds : float
        Seconds of each shape in each round.
    rounds : int
        Number of rounds, spread over time; medians are taken.
    train : str
        `module:function`, instead of `trainer.train`.

    Returns
    -------
    Probe

    Raises
    ------
    HarnessError
        A training process failed.
    """
    manifest = read_manifest(folder)
    with tempfile.TemporaryDirectory() as out:
        paths = [Path(out) / str(slot) for slot in range(at_once)]
        _run(folder, manifest, paths, train, ["--seconds", str(seconds), "--rounds", str(rounds)])
        measured = [StepTimes(**parse_json(path.read_bytes())) for path in paths]
    small_s, large_s, short_s = (
        statistics.median(s for times in measured for s in getattr(times, name))
        for name in ("small_s", "large_s", "short_s")
    )
    smallest, largest = manifest.jobs[0], manifest.jobs[-1]
    speed = solve_speed(step_seconds(smallest), step_seconds(largest), small_s, large_s)
    job_s = max(0.0, short_s - job_seconds(with_length(smallest, SHORT), speed))
    result = Probe(now(), socket.gethostname(), at_once, dataclasses.replace(speed, job_s=job_s))
    write_probe(folder.parent, result)
    return result


def solve_speed(
    smallest: tuple[float, float], largest: tuple[float, float], smallest_s: float, largest_s: float
) -> Speed:
    """Find the two factors by which a machine is slower than the estimate; one for both if two cannot be separated.

    Parameters
    ----------
    smallest, largest : tuple of float
        Estimated seconds of a step; see `time_estimate.step_seconds`.
    smallest_s, largest_s : float
        Measured seconds of a step.

    Returns
    -------
    Speed
    """
    (a, b), (c, d) = smallest, largest
    determinant = a * d - b * c
    if determinant:
        step = (smallest_s * d - b * largest_s) / determinant
        matmul = (a * largest_s - c * smallest_s) / determinant
        if step > 0 and matmul > 0:
            return Speed(step, matmul)
    factor = largest_s / (c + d)
    return Speed(factor, factor)


def write_probe(sweep_dir: Path, probe: Probe) -> None:
    """Write `probe.json`; a comparison with an earlier probe is dropped."""
    write_json(sweep_dir / PROBE_FILE, dataclasses.asdict(probe))


def read_probe(sweep_dir: Path) -> Probe | None:
    """Read what `write_probe` wrote; None if there was no probe.

    Raises
    ------
    HarnessError
        The file is damaged.
    """
    path = sweep_dir / PROBE_FILE
    try:
        document = parse_json(path.read_bytes())
        return Probe(document["at"], document["where"], document["at_once"], Speed(**document["speed"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{path} is damaged: delete it and probe again") from error


@entry_point
def main(arguments: Sequence[str] | None = None) -> int:
    """Probe the machine that this runs on.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0, or the exit code of the error, whose sentence is on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="python -m sweeps.timing.probe", description="Time steps of a sweep's shapes."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slots", type=int, default=1, metavar="K", help="runs at once")
    options = parser.parse_args(arguments)
    run_probe(options.folder, options.slots)
    return 0


def _run(folder: Path, manifest: Manifest, outs: Sequence[Path], train: str, options: Sequence[str]) -> None:
    """Run step timers side by side, one per path; raise the last line that a failing one printed."""
    launcher = manifest.launcher
    shared = len(outs), launcher.processes_per_node, visible_devices()
    arguments = arguments_of(folder, share_memory(manifest.runtime, *shared), train)
    command = start_command(launcher.gpus_per_run, "sweeps.timing.step_timer", [*arguments, *options], launcher.n_nodes)
    common = environment(manifest.runtime.threads)
    processes = [
        subprocess.Popen([*command, "--out", str(out)], env={**common, **share}, stderr=subprocess.PIPE, text=True)
        for out, share in zip(outs, share_devices(*shared), strict=True)
    ]
    try:
        outputs = [process.communicate()[1] for process in processes]
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    for process, output in zip(processes, outputs, strict=True):
        if process.returncode:
            last = (output.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
            raise HarnessError(f"the probe could not train: {last}")


if __name__ == "__main__":
    sys.exit(main())
