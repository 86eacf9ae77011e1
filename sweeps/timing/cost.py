"""What a sweep will cost by its probe, and how far off that was. No torch."""

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
from sweeps.timing.probe import PROBE_FILE, Probe, kept

TOLERANCE = 0.2


@dataclass(frozen=True)
class Comparison:
    """Seconds that jobs were estimated at, and took; of one process, summed."""

    n_jobs: int
    estimated_s: float
    took_s: float

    @property
    def error(self) -> float:
        """How much longer they took, as a part of the estimate."""
        return self.took_s / self.estimated_s - 1.0


def settle(sweep_dir: Path, jobs: Sequence[Job], store: Store) -> Comparison | None:
    """Compare a sweep's probe with what jobs took since, and keep the comparison with it.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the sweep.
    jobs : sequence of Job
        Those of the sweep.
    store : Store
        Where its runs live.

    Returns
    -------
    Comparison or None
        None where there was no probe, or no job was completed after it.

    Raises
    ------
    HarnessError
        See `probe.kept`.
    """
    probe = kept(sweep_dir)
    found = probe and compare(jobs, store, probe)
    if probe is None or found is None:
        return None
    finished = {**dataclasses.asdict(found), "error": found.error}
    write_json(sweep_dir / PROBE_FILE, {**dataclasses.asdict(probe), "finished": finished})
    return found


def compare(jobs: Sequence[Job], store: Store, probe: Probe) -> Comparison | None:
    """Set the estimate of what jobs ran after a probe beside the seconds that their records say; None without any."""
    estimated_s, took_s, n_jobs = 0.0, 0.0, 0
    for job in jobs:
        if not without_finished([job], store):
            records = [record for run in job.runs if _is_after(record := store.read(run.run_id), probe)]
            since = [run for run in job.runs if run.run_id in {record.run_id for record in records}]
            if records and all(record.status == "completed" for record in records):
                n_jobs += 1
                estimated_s += job_seconds(dataclasses.replace(job, runs=tuple(since)), probe.speed)
                took_s += sum(record.wall_s for record in records)
    return Comparison(n_jobs, estimated_s, took_s) if n_jobs else None


def without_finished(jobs: Sequence[Job], store: Store) -> list[Job]:
    """Jobs that have runs left, and of each only those."""
    rest = [job.without([run.run_id for run in job.runs if store.is_finished(run.run_id)]) for job in jobs]
    return [job for job in rest if job]


def forecast(jobs: Sequence[Job], speed: Speed, at_once: int, devices: tuple[str, float]) -> dict[str, Any]:
    """Sum what jobs will take: hours of the clock, and hours of the devices that runs keep busy."""
    hours = sum(job_seconds(job, speed) for job in jobs) / 3600
    device, amount = devices
    n_runs = sum(len(job.runs) for job in jobs)
    return {"n_left": n_runs, "hours": hours / min(at_once, max(1, len(jobs))), f"{device}_hours": hours * amount}


def sentence(found: Mapping[str, Any], probe: Probe) -> str:
    """Say what `forecast` found, and what was timed."""
    device = next(key for key in found if key.endswith("_hours"))
    hours = f"{found['hours']:.3g} hours, {found[device]:.3g} {device.replace('_', ' ')}"
    return f"{found['n_left']} runs left: {hours} (timed {probe.at}: {probe.at_once} at once on {probe.where})"


def verdict(finished: Comparison) -> str:
    """Say what `compare` found."""
    within = "within" if abs(finished.error) <= TOLERANCE else "NOT within"
    took = f"{finished.n_jobs} jobs took {finished.took_s / 3600:.3g} hours"
    return f"{took}, {finished.error:+.0%} of the probe's estimate: {within} {TOLERANCE:.0%}"


def _is_after(record: RunRecord, probe: Probe) -> bool:
    return datetime.fromisoformat(record.provenance["started"]) >= datetime.fromisoformat(probe.at)
