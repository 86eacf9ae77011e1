"""A sweep on disk: the list of its runs in the shared store, grouped into jobs. Enough for a worker to start from."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from scaling_harness.config.compose import launcher_config, validate
from scaling_harness.config.schema import RunConfig, RuntimeConfig, WandbConfig
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.plan.plan import Job, Plan
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.provenance import code_version
from sweeps.config import Launcher, LocalLauncher
from sweeps.planning.expand import describe, resolve_all
from sweeps.planning.prepared_data import data_documents, prepared_data

SCHEMA_VERSION = 3
MANIFEST_FILE = "sweep.json"
LOGS = "logs"
"""Folder of what workers print, beside the manifest."""
CANCELLED = "cancelled"
"""File beside the manifest: while it is there, workers save their runs and leave."""


@dataclass(frozen=True)
class Manifest:
    """A named list of jobs and how to run them now."""

    name: str
    question: str
    hold_out: int
    """Largest budgets that the report leaves out of the fit and forecasts."""
    runtime: RuntimeConfig
    wandb: WandbConfig
    jobs: tuple[Job, ...]
    launcher: Launcher = field(default_factory=LocalLauncher)
    """Of the last launch."""
    code: str | None = field(default_factory=code_version)
    """Version of the code that decides its numbers; None if it could not be told."""
    law: str = "chinchilla"
    """Of the report; see `SweepConfig.law`."""
    aims: Mapping[Any, float] = field(default_factory=dict)
    """Of the report; see `SweepConfig.aims`."""

    @property
    def runs(self) -> tuple[Plan, ...]:
        """Every run of every job."""
        return tuple(run for job in self.jobs for run in job.runs)


@dataclass(frozen=True)
class ListedRun:
    """What `sweep.json` says of a run without resolving it."""

    run_id: str
    n_steps: int
    train_flops: float
    """6ND with head, without the steps of its trunk."""


@dataclass(frozen=True)
class ListedJob:
    """A job of listed runs."""

    job_id: str
    runs: tuple[ListedRun, ...]


@dataclass(frozen=True)
class Listing:
    """A sweep as it was planned, nothing resolved."""

    name: str
    runtime: RuntimeConfig
    wandb: WandbConfig
    launcher: Launcher
    jobs: tuple[ListedJob, ...]

    @property
    def devices(self) -> tuple[Literal["gpu", "core"], float]:
        """See `devices`."""
        return devices(self.runtime, self.launcher)


def devices(runtime: RuntimeConfig, launcher: Launcher) -> tuple[Literal["gpu", "core"], float]:
    """Say what a run keeps busy: GPUs, a part of one where several runs share it, or cores."""
    n = launcher.gpus_per_run
    if launcher.kind == "slurm" and launcher.gpus:
        return "gpu", min(float(n), launcher.gpus / launcher.slots)
    return ("gpu", float(n)) if runtime.device.startswith("cuda") else ("core", float(n * runtime.threads))


def write_manifest(sweep_dir: Path, manifest: Manifest) -> None:
    """Write `sweep.json` atomically; of a run's configuration only what differs from the first run's."""
    base = describe(manifest.runs[0].config)
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": manifest.name,
        "question": manifest.question,
        "hold_out": manifest.hold_out,
        "law": manifest.law,
        "aims": dict(manifest.aims),
        "runtime": dataclasses.asdict(manifest.runtime),
        "wandb": dataclasses.asdict(manifest.wandb),
        "launcher": dataclasses.asdict(manifest.launcher),
        "code": manifest.code,
        "data": data_documents(manifest.runs),
        "base": base,
        "jobs": [_job_document(job, base) for job in manifest.jobs],
    }
    write_text(sweep_dir / MANIFEST_FILE, json.dumps(document, allow_nan=False))


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
        The file is damaged, or today's code gives a run another identity than it was planned with.
    """
    path, document = _read(sweep_dir)
    runtime = validate(RuntimeConfig, document["runtime"])
    wandb = validate(WandbConfig, document["wandb"])
    return Manifest(
        name=document["name"],
        question=document["question"],
        hold_out=document["hold_out"],
        law=document.get("law", "chinchilla"),
        aims=document.get("aims", {}),
        runtime=runtime,
        wandb=wandb,
        jobs=_jobs(path, document, {"runtime": document["runtime"], "wandb": document["wandb"]}),
        launcher=launcher_config(document),
        code=document["code"],
    )


def read_listing(sweep_dir: Path) -> Listing:
    """Read a sweep as it was planned, its jobs longest first, quickly: no run is resolved or checked.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the sweep.

    Returns
    -------
    Listing

    Raises
    ------
    UserError, HarnessError
        There is no such sweep, or its file is damaged.
    """
    _, document = _read(sweep_dir)
    jobs = tuple(
        ListedJob(job["job_id"], tuple(ListedRun(r["run_id"], r["n_steps"], r["train_flops"]) for r in job["runs"]))
        for job in document["jobs"]
    )
    runtime = validate(RuntimeConfig, document["runtime"])
    wandb = validate(WandbConfig, document["wandb"])
    return Listing(document["name"], runtime, wandb, launcher_config(document), jobs)


def merge(jobs: Iterable[Job], added: Iterable[Job]) -> tuple[Job, ...]:
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
    """A job whose trunks serve further branches too."""
    runs = (
        dataclasses.replace(run, branches=tuple(sorted({*run.branches, *more.get(run.fingerprint, ())})))
        for run in job.runs
    )
    return dataclasses.replace(job, runs=tuple(runs))


def _job_document(job: Job, base: dict[str, Any]) -> dict[str, Any]:
    return {"job_id": job.job_id, "runs": [_run_document(run, base) for run in job.runs]}


def _run_document(run: Plan, base: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "fingerprint": run.fingerprint,
        "n_steps": run.n_steps,
        "train_flops": run.spent(run.own_steps)[1],
        "trunk": run.trunk,
        "branches": run.branches,
        "config": {key: value for key, value in describe(run.config).items() if value != base[key]},
    }


def _read(sweep_dir: Path) -> tuple[Path, dict[str, Any]]:
    path = sweep_dir / MANIFEST_FILE
    try:
        document = from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: start the sweep with `scaling-harness sweep run NAME`") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not JSON: delete it and start the sweep again; finished runs stay") from error
    if document.get("schema_version") != SCHEMA_VERSION:
        raise HarnessError(f"{path} was written by another version of this code: delete it and start the sweep again")
    return path, document


def _jobs(path: Path, document: dict[str, Any], common: dict[str, Any]) -> tuple[Job, ...]:
    rows = [run for job in document["jobs"] for run in job["runs"]]
    configs = {row["run_id"]: validate(RunConfig, {**document["base"], **row["config"], **common}) for row in rows}
    plans = resolve_all(configs.values(), prepared_data(document["data"], configs))
    by_print = {plan.fingerprint: plan for plan in plans}
    for row in rows:
        if row["fingerprint"] not in by_print:
            raise HarnessError(
                f"{path}: {row['run_id']} was planned with other code or data than are here now; "
                "delete this file and start the sweep again under another name, finished runs stay"
            )
    return tuple(
        Job(tuple(_connected(by_print[row["fingerprint"]], row) for row in job["runs"])) for job in document["jobs"]
    )


def _connected(run: Plan, row: dict[str, Any]) -> Plan:
    """A run with its trunk or its branches."""
    branches = tuple((step, branch) for step, branch in row.get("branches", ()))
    return dataclasses.replace(run, trunk=row.get("trunk"), branches=branches)
