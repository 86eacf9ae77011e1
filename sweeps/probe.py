"""What a sweep will cost on this machine, from a few timed steps of its smallest and its largest shape.

No torch here: the steps are taken by processes of their own, as many at once as there will be.
"""

import contextlib
import dataclasses
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_harness.claim import Interrupted
from scaling_harness.config import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.files import write_json
from scaling_harness.plan import Job
from scaling_harness.provenance import now
from scaling_harness.store import Store
from sweeps.estimate import Speed, job_seconds, step_seconds

PROBE_FILE = "probe.json"
TOLERANCE = 0.2
_PROBE_S = 6.0
_ENDLESS = 1_000_000
"""Steps: neither the end nor an evaluation falls into the seconds of a probe."""
_SHORT = 20
_LEAST_STEPS = 4


@dataclass(frozen=True)
class Comparison:
    """Seconds that finished jobs were estimated at, and took; of one process, summed."""

    n_jobs: int
    estimated_s: float
    took_s: float

    @property
    def error(self) -> float:
        """How much longer they took, as a part of the estimate."""
        return self.took_s / self.estimated_s - 1.0


def probe(jobs: Sequence[Job], runtime: RuntimeConfig, at_once: int, seconds: float = _PROBE_S) -> Speed:
    """Time steps of the smallest and the largest shape.

    Parameters
    ----------
    jobs : sequence of Job
        Those of the sweep.
    runtime : RuntimeConfig
        Where and how they will be trained.
    at_once : int
        Copies that run side by side, as the sweep's runs will.
    seconds : float
        For each of the two.

    Returns
    -------
    Speed
    """
    smallest, largest = (pick(jobs, key=lambda job: sum(step_seconds(job))) for pick in (min, max))
    (small_s, short_s), (large_s, _) = (_time(job, runtime, at_once, seconds) for job in (smallest, largest))
    speed = solve(step_seconds(smallest), step_seconds(largest), small_s, large_s)
    return dataclasses.replace(speed, job_s=max(0.0, short_s - job_seconds(_of_length(smallest, _SHORT), speed)))


def solve(smallest: tuple[float, float], largest: tuple[float, float], smallest_s: float, largest_s: float) -> Speed:
    """Find the two factors by which a machine is slower than the estimate's; one for both where two cannot be told.

    Parameters
    ----------
    smallest, largest : tuple of float
        Seconds of a step by `estimate.step_seconds`.
    smallest_s, largest_s : float
        As measured.

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


def keep(sweep_dir: Path, speed: Speed) -> None:
    """Write `probe.json`, to be compared with what the runs take."""
    write_json(sweep_dir / PROBE_FILE, {"at": now(), **dataclasses.asdict(speed)})


def kept(sweep_dir: Path) -> Speed | None:
    """Read what `keep` wrote; None where there was no probe.

    Raises
    ------
    HarnessError
        The file is damaged.
    """
    path = sweep_dir / PROBE_FILE
    try:
        document = json.loads(path.read_bytes())
        return Speed(document["step"], document["matmul"], document["job_s"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{path} is damaged: delete it and probe again") from error


def compare(jobs: Sequence[Job], store: Store, speed: Speed) -> Comparison:
    """Set the estimate of completed jobs beside the seconds that their records say."""
    estimated_s, took_s, n_jobs = 0.0, 0.0, 0
    for job in jobs:
        if all(store.is_finished(run.run_id) for run in job.runs):
            records = [store.read(run.run_id) for run in job.runs]
            if all(record.status == "completed" for record in records):
                n_jobs += 1
                estimated_s += job_seconds(job, speed)
                took_s += sum(record.wall_s for record in records)
    return Comparison(n_jobs, estimated_s, took_s)


def forecast(jobs: Sequence[Job], speed: Speed, at_once: int, devices: tuple[str, float]) -> dict[str, Any]:
    """Sum what jobs will take: hours of the clock, and hours of the devices that runs keep busy."""
    hours = sum(job_seconds(job, speed) for job in jobs) / 3600
    device, amount = devices
    n_runs = sum(len(job.runs) for job in jobs)
    return {"n_left": n_runs, "hours": hours / min(at_once, max(1, len(jobs))), f"{device}_hours": hours * amount}


def sentence(found: Mapping[str, Any], finished: Comparison | None) -> str:
    """Say what `forecast` and `compare` found."""
    device = next(key for key in found if key.endswith("_hours"))
    said = f"{found['n_left']} runs left: {found['hours']:.3g} hours, {found[device]:.3g} {device.replace('_', ' ')}"
    if finished is None:
        return said
    verdict = "within" if abs(finished.error) <= TOLERANCE else "NOT within"
    took = (
        f"{finished.n_jobs} jobs took {finished.took_s / 3600:.3g} hours, {finished.error:+.0%} of the probe's estimate"
    )
    return f"{said}\n{took}: {verdict} {TOLERANCE:.0%}"


def _time(job: Job, runtime: RuntimeConfig, at_once: int, seconds: float) -> tuple[float, float]:
    """Seconds of a step and of a short job, the means over processes side by side."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=context) as pool:
        found = [pool.submit(_time_here, job, runtime, seconds) for _ in range(at_once)]
        step_s, short_s = zip(*(future.result() for future in found), strict=True)
    return statistics.mean(step_s), statistics.mean(short_s)


def _time_here(job: Job, runtime: RuntimeConfig, seconds: float) -> tuple[float, float]:
    """Seconds of a step, the mean of the second half of those taken, and of a short job, in a store thrown away."""
    from scaling_harness.allocator import keep_freed_memory
    from scaling_harness.trainer import train

    keep_freed_memory()
    watch = _Stopwatch(seconds)
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory))
        with contextlib.suppress(Interrupted):
            train(_of_length(job, _ENDLESS), runtime, store, watch)
        settled = watch.times[len(watch.times) // 2 :]
        start = time.monotonic()
        train(_of_length(job, _SHORT), runtime, store, _Stopwatch(math.inf))
        return (settled[-1] - settled[0]) / (len(settled) - 1), time.monotonic() - start


def _of_length(job: Job, n_steps: int) -> Job:
    return dataclasses.replace(job, runs=tuple(dataclasses.replace(run, n_steps=n_steps) for run in job.runs))


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
