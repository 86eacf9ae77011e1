"""A sweep on disk: the list of its runs grouped into jobs, which is all that a worker needs to start."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaling_harness.config.compose import validate
from scaling_harness.config.schema import RunConfig, RuntimeConfig, WandbConfig
from scaling_harness.errors import HarnessError
from scaling_harness.plan.plan import Job, Plan
from scaling_harness.record.provenance import code_version
from scaling_harness.record.sweep_listing import SWEEP_FILE, ListedJob, ListedRun, SweepListing, write_listing
from sweeps.compose import launcher_config
from sweeps.config import LauncherConfig, LocalLauncherConfig
from sweeps.planning.expand import resolve_all, science_fields
from sweeps.planning.planned_sweep import read_launch
from sweeps.planning.prepared_data import data_documents, prepared_data

LOGS = "logs"
"""Folder for the output of workers, beside the manifest."""
CANCELLED = "cancelled"
"""File beside the manifest: while it is there, workers save their runs and leave."""


@dataclass(frozen=True)
class Manifest:
    """A named list of jobs and how to run them now."""

    name: str
    question: str
    hold_out: int
    """Number of largest budgets that the report leaves out of the fit and forecasts."""
    runtime: RuntimeConfig
    wandb: WandbConfig
    jobs: tuple[Job, ...]
    launcher: LauncherConfig = field(default_factory=LocalLauncherConfig)
    """Launcher of the last launch."""
    code: str | None = field(default_factory=code_version)
    """Version of the code that decides the numbers; None if it is unknown."""
    law: str = "chinchilla"
    """Law of the report; see `SweepConfig.law`."""
    aims: Mapping[Any, float] = field(default_factory=dict)
    """Targets of the report; see `SweepConfig.aims`."""

    @property
    def runs(self) -> tuple[Plan, ...]:
        """Every run of every job."""
        return tuple(run for job in self.jobs for run in job.runs)


def write_manifest(sweep_dir: Path, manifest: Manifest) -> None:
    """Write `sweep.json` atomically; a run's configuration is written as its differences from the first run's."""
    base = science_fields(manifest.runs[0].config)
    launch = {
        "runtime": dataclasses.asdict(manifest.runtime),
        "wandb": dataclasses.asdict(manifest.wandb),
        "launcher": dataclasses.asdict(manifest.launcher),
        "code": manifest.code,
        "data": data_documents(manifest.runs),
    }
    jobs = tuple(ListedJob(job.job_id, tuple(_listed(run, base) for run in job.runs)) for job in manifest.jobs)
    listing = SweepListing(
        manifest.name, jobs, manifest.question, manifest.hold_out, manifest.law, manifest.aims, base, launch
    )
    write_listing(sweep_dir, listing)


def read_manifest(sweep_dir: Path) -> Manifest:
    """Read a sweep and resolve its runs again.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the sweep.

    Returns
    -------
    Manifest

    Raises
    ------
    UserError
        There is no such sweep, or its tokens are not on this machine.
    HarnessError
        The file is damaged, or the current code gives a run another fingerprint than it was planned with.
    """
    listing, launch = read_launch(sweep_dir)
    common = {"runtime": launch["runtime"], "wandb": launch["wandb"]}
    return Manifest(
        name=listing.name,
        question=listing.question,
        hold_out=listing.hold_out,
        law=listing.law,
        aims=listing.aims,
        runtime=validate(RuntimeConfig, launch["runtime"]),
        wandb=validate(WandbConfig, launch["wandb"]),
        jobs=_jobs(sweep_dir / SWEEP_FILE, listing, launch["data"], common),
        launcher=launcher_config(launch),
        code=launch["code"],
    )


def merge_jobs(jobs: Iterable[Job], added: Iterable[Job]) -> tuple[Job, ...]:
    """Join two lists of jobs, longest first; a run already in the first is not added again."""
    added = list(added)
    branches = {run.fingerprint: run.branches for job in added for run in job.runs}
    kept = [_with_branches(job, branches) for job in jobs]
    known = {run.fingerprint for job in kept for run in job.runs}
    for job in added:
        rest = tuple(run for run in job.runs if run.fingerprint not in known)
        if rest:
            kept.append(dataclasses.replace(job, runs=rest))
    return tuple(sorted(kept, key=lambda job: (-job.train_flops, job.job_id)))


def _with_branches(job: Job, more: Mapping[str, tuple[tuple[int, str], ...]]) -> Job:
    """Add branches to the trunks of a job."""
    runs = (
        dataclasses.replace(run, branches=tuple(sorted({*run.branches, *more.get(run.fingerprint, ())})))
        for run in job.runs
    )
    return dataclasses.replace(job, runs=tuple(runs))


def _listed(run: Plan, base: Mapping[str, Any]) -> ListedRun:
    return ListedRun(
        run.run_id,
        run.n_steps,
        run.spent(run.own_steps)[1],
        run.fingerprint,
        run.trunk,
        run.branches,
        {key: value for key, value in science_fields(run.config).items() if value != base[key]},
    )


def _jobs(
    path: Path, listing: SweepListing, data: Iterable[Mapping[str, Any]], common: dict[str, Any]
) -> tuple[Job, ...]:
    rows = listing.runs
    configs = {row.run_id: validate(RunConfig, {**listing.base, **row.config, **common}) for row in rows}
    plans = resolve_all(configs.values(), prepared_data(data, configs))
    by_fingerprint: dict[str | None, Plan] = {plan.fingerprint: plan for plan in plans}
    for row in rows:
        if row.fingerprint not in by_fingerprint:
            raise HarnessError(
                f"{path}: {row.run_id} was planned with other code or data than are here now; "
                "delete this file and start the sweep again under another name; finished runs stay"
            )
    return tuple(Job(tuple(_linked(by_fingerprint[row.fingerprint], row) for row in job.runs)) for job in listing.jobs)


def _linked(run: Plan, row: ListedRun) -> Plan:
    """Give a run the trunk or branches that it was listed with."""
    return dataclasses.replace(run, trunk=row.trunk, branches=row.branches)
