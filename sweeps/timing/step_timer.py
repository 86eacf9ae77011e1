"""Time steps of the smallest and the largest shape of a sweep: `python -m sweeps.timing.step_timer FOLDER`.

`probe` starts one for each run that will be trained side by side, under torchrun if several processes train a run.
"""

import argparse
import contextlib
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.execution.execute import Train, load_train
from scaling_harness.execution.signals import die_with_parent
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import write_json
from scaling_harness.record.store import Store
from scaling_harness.training.memory import keep_freed_memory
from scaling_harness.training.oversight import Interrupted
from sweeps.planning.manifest import read_manifest
from sweeps.workers.process import entry_point, parser_of

SHORT = 20
"""Number of steps of the job that is timed as a whole."""
_ENDLESS = 1_000_000
"""Number of steps so large that neither the end nor an evaluation falls into the timed seconds."""
_LEAST_STEPS = 4


@dataclass(frozen=True)
class StepTimes:
    """Measured seconds, one of each per round; rounds lie apart, so that a brief disturbance affects only one."""

    small_s: tuple[float, ...]
    """Seconds of a step of the smallest shape."""
    large_s: tuple[float, ...]
    """Seconds of a step of the largest shape."""
    short_s: tuple[float, ...]
    """Seconds of a job of `SHORT` steps of the smallest shape."""


def time_steps(
    smallest: Job, largest: Job, runtime: RuntimeConfig, seconds: float, rounds: int, train: Train
) -> StepTimes:
    """Time steps of two jobs in turn.

    Parameters
    ----------
    smallest, largest : Job
        Jobs to time; the lengths of their runs do not matter.
    runtime : RuntimeConfig
        Where and how they will be trained.
    seconds : float
        Seconds of each shape in each round.
    rounds : int
        Number of rounds; each times both jobs.
    train : callable
        See `execute.execute`.

    Returns
    -------
    StepTimes
    """
    small_s, large_s, short_s = [], [], []
    for _ in range(rounds):
        small_s.append(_step_s(smallest, runtime, seconds, train))
        large_s.append(_step_s(largest, runtime, seconds, train))
        start = time.monotonic()
        _train(with_length(smallest, SHORT), runtime, _StepTimer(float("inf")), train)
        short_s.append(time.monotonic() - start)
    return StepTimes(tuple(small_s), tuple(large_s), tuple(short_s))


@entry_point
def main(arguments: Sequence[str] | None = None) -> int:
    """Time the jobs of a folder's manifest, the smallest first, and write what they took.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
    """
    die_with_parent()
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    manifest = read_manifest(options.folder)
    runtime, train = options.runtime or manifest.runtime, load_train(options.train)
    times = time_steps(manifest.jobs[0], manifest.jobs[-1], runtime, options.seconds, options.rounds, train)
    if os.environ.get("RANK", "0") == "0":
        write_json(options.out, dataclasses.asdict(times))
    return 0


def with_length(job: Job, n_steps: int) -> Job:
    """Change the length of a job's runs."""
    apart = {"trunk": None, "branches": ()}
    return dataclasses.replace(job, runs=tuple(dataclasses.replace(run, n_steps=n_steps, **apart) for run in job.runs))


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("sweeps.timing.step_timer", "Time steps of the smallest and the largest shape of a sweep.")
    parser.add_argument("--seconds", type=float, required=True, help="of each shape in each round")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    return parser


def _step_s(job: Job, runtime: RuntimeConfig, seconds: float, train: Train) -> float:
    """Seconds of a step: the mean over the second half of the timed steps."""
    timer = _StepTimer(seconds)
    with contextlib.suppress(Interrupted):
        _train(with_length(job, _ENDLESS), runtime, timer, train)
    settled = timer.times[len(timer.times) // 2 :]
    return (settled[-1] - settled[0]) / (len(settled) - 1)


def _train(job: Job, runtime: RuntimeConfig, timer: "_StepTimer", train: Train) -> None:
    with tempfile.TemporaryDirectory() as directory:
        train(job, runtime, Store(Path(directory)), timer)


class _StepTimer:
    """Oversight that times the steps of a run."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.times: list[float] = []

    def tick(self, step: int) -> None:
        self.times.append(time.monotonic())
        if len(self.times) > _LEAST_STEPS and self.times[-1] - self.times[0] > self._seconds:
            raise Interrupted(f"timed to step {step}")

    def confirm(self) -> None:
        """Do nothing: no other process trains this run."""


if __name__ == "__main__":
    sys.exit(main())
