"""Estimate what a sweep will cost from its probe, and check the estimate when jobs are finished."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import write_json
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store
from sweeps.planning.time_estimate import Speed, job_seconds
from sweeps.timing.probe import PROBE_FILE, Probe, read_probe

TOLERANCE = 0.2


@dataclass(frozen=True)
class EstimateCheck:
    """Estimated and actual seconds of finished jobs, summed as if one process had trained them all."""

    n_jobs: int
    estimated_s: float
    took_s: float

    @property
    def error(self) -> float:
        """Actual minus estimated seconds, divided by the estimate."""
        return self.took_s / self.estimated_s - 1.0


def compare_with_probe(sweep_dir: Path, jobs: Sequence[Job], store: Store) -> EstimateCheck | None:
    """Compare a sweep's probe with the jobs completed since, and write the comparison into the probe's file.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the sweep.
    jobs : sequence of Job
        All jobs of the sweep.
    store : Store
        Where its runs are stored.

    Returns
    -------
    EstimateCheck or None
        None if there was no probe, or no job was completed after it.

    Raises
    ------
    HarnessError
        See `probe.read_probe`.
    """
    probe = read_probe(sweep_dir)
    result = probe and check_estimate(jobs, store, probe)
    if probe is None or result is None:
        return None
    finished = {**dataclasses.asdict(result), "error": result.error}
    write_json(sweep_dir / PROBE_FILE, {**dataclasses.asdict(probe), "finished": finished})
    return result


def check_estimate(jobs: Sequence[Job], store: Store, probe: Probe) -> EstimateCheck | None:
    """Sum estimated and recorded seconds of the jobs completed after a probe; None if there are none."""
    estimated_s, took_s, n_jobs = 0.0, 0.0, 0
    for job in jobs:
        if not without_finished([job], store):
            records = [record for run in job.runs if _is_after(record := store.read(run.run_id), probe)]
            since = [run for run in job.runs if run.run_id in {record.run_id for record in records}]
            if records and all(record.status == "completed" for record in records):
                n_jobs += 1
                estimated_s += job_seconds(dataclasses.replace(job, runs=tuple(since)), probe.speed)
                took_s += sum(record.wall_s for record in records)
    return EstimateCheck(n_jobs, estimated_s, took_s) if n_jobs else None


def without_finished(jobs: Sequence[Job], store: Store) -> list[Job]:
    """Return the jobs that have unfinished runs, each with only those runs."""
    rest = [job.without([run.run_id for run in job.runs if store.is_finished(run.run_id)]) for job in jobs]
    return [job for job in rest if job]


def remaining_cost(jobs: Sequence[Job], speed: Speed, at_once: int, devices: tuple[str, float]) -> dict[str, Any]:
    """Estimate what jobs will take: wall-clock hours, and hours of the devices that runs keep busy."""
    hours = sum(job_seconds(job, speed) for job in jobs) / 3600
    device, amount = devices
    n_runs = sum(len(job.runs) for job in jobs)
    return {"n_left": n_runs, "hours": hours / min(at_once, max(1, len(jobs))), f"{device}_hours": hours * amount}


def remaining_sentence(cost: Mapping[str, Any], probe: Probe) -> str:
    """Write the result of `remaining_cost` as a sentence, with what was timed."""
    device = next(key for key in cost if key.endswith("_hours"))
    hours = f"{cost['hours']:.3g} hours, {cost[device]:.3g} {device.replace('_', ' ')}"
    return f"{cost['n_left']} runs left: {hours} (timed {probe.at}: {probe.at_once} at once on {probe.where})"


def check_sentence(finished: EstimateCheck) -> str:
    """Write the result of `check_estimate` as a sentence."""
    within = "within" if abs(finished.error) <= TOLERANCE else "NOT within"
    took = f"{finished.n_jobs} jobs took {finished.took_s / 3600:.3g} hours"
    return f"{took}, {finished.error:+.0%} of the probe's estimate: {within} {TOLERANCE:.0%}"


def _is_after(record: RunRecord, probe: Probe) -> bool:
    return datetime.fromisoformat(record.provenance["started"]) >= datetime.fromisoformat(probe.at)
