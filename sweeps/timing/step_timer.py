"""Time steps of the smallest and the largest shape of a sweep: `python -m sweeps.timing.step_timer FOLDER`.

`probe` starts as many of it as runs will be trained side by side, each under torchrun where several train one run.
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
"""Steps of the job that is timed as a whole."""
_ENDLESS = 1_000_000
"""Steps: neither the end nor an evaluation falls into the seconds that are timed."""
_LEAST_STEPS = 4


@dataclass(frozen=True)
class Times:
    """Seconds as measured, one of each a round: rounds lie apart, so that a moment's disturbance is in one."""

    small_s: tuple[float, ...]
    """Of a step of the smallest shape."""
    large_s: tuple[float, ...]
    short_s: tuple[float, ...]
    """Of a job of `SHORT` steps of the smallest."""


def measure(smallest: Job, largest: Job, runtime: RuntimeConfig, seconds: float, rounds: int, train: Train) -> Times:
    """Time steps of two jobs in turn.

    Parameters
    ----------
    smallest, largest : Job
        Their runs' lengths do not matter.
    runtime : RuntimeConfig
        Where and how they will be trained.
    seconds : float
        Of each shape in each round.
    rounds : int
        How often both have their turn.
    train : callable
        See `execute.execute`.

    Returns
    -------
    Times
    """
    small_s, large_s, short_s = [], [], []
    for _ in range(rounds):
        small_s.append(_step_s(smallest, runtime, seconds, train))
        large_s.append(_step_s(largest, runtime, seconds, train))
        start = time.monotonic()
        _train(of_length(smallest, SHORT), runtime, _Stopwatch(float("inf")), train)
        short_s.append(time.monotonic() - start)
    return Times(tuple(small_s), tuple(large_s), tuple(short_s))


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
    times = measure(manifest.jobs[0], manifest.jobs[-1], runtime, options.seconds, options.rounds, train)
    if os.environ.get("RANK", "0") == "0":
        write_json(options.out, dataclasses.asdict(times))
    return 0


def of_length(job: Job, n_steps: int) -> Job:
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
    """Seconds of a step, the mean over the second half of those taken."""
    watch = _Stopwatch(seconds)
    with contextlib.suppress(Interrupted):
        _train(of_length(job, _ENDLESS), runtime, watch, train)
    settled = watch.times[len(watch.times) // 2 :]
    return (settled[-1] - settled[0]) / (len(settled) - 1)


def _train(job: Job, runtime: RuntimeConfig, watch: "_Stopwatch", train: Train) -> None:
    with tempfile.TemporaryDirectory() as directory:
        train(job, runtime, Store(Path(directory)), watch)


class _Stopwatch:
    """The oversight of a run that is timed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.times: list[float] = []

    def tick(self, step: int) -> None:
        self.times.append(time.monotonic())
        if len(self.times) > _LEAST_STEPS and self.times[-1] - self.times[0] > self._seconds:
            raise Interrupted(f"timed to step {step}")

    def confirm(self) -> None:
        """Nobody else has this run."""


if __name__ == "__main__":
    sys.exit(main())
