"""`sweep.json`: the question of a sweep and its list of runs, typed and versioned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.atomic_files import parse_json, write_text

SWEEP_FILE = "sweep.json"
SCHEMA_VERSION = 3
"""Version 1 lacks lengths, trunks, law and aims; 2 repeats the whole configuration with every run."""

_LAUNCH_KEYS = ("runtime", "wandb", "launcher", "code", "data")


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One planned run."""

    run_id: str
    n_steps: int = 0
    """0 in a listing of version 1, which lacks it."""
    train_flops: float = 0.0
    """6ND with head, without the steps of its trunk; 0 in a listing of version 1."""
    fingerprint: str | None = None
    trunk: str | None = None
    """run_id of the run it branches from."""
    branches: tuple[tuple[int, str], ...] = ()
    """Step and run_id of each run that branches from this one, if it is a trunk."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Parts of the configuration that differ from `SweepListing.base`."""


@dataclass(frozen=True, slots=True)
class ListedJob:
    """Runs that one process trains together."""

    job_id: str
    runs: tuple[ListedRun, ...]


@dataclass(frozen=True)
class SweepListing:
    """A sweep as it was planned."""

    name: str
    jobs: tuple[ListedJob, ...]
    question: str = ""
    hold_out: int = 1
    """Number of largest budgets that the report leaves out of the fit and forecasts."""
    law: str = "chinchilla"
    """Law that the report fits."""
    aims: Mapping[Any, float] = field(default_factory=dict)
    """Targets that would count as an answer; see `SweepConfig.aims`."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """Configuration of the first run."""
    launch: Mapping[str, Any] | None = None
    """Settings of the machine that trains it: runtime, wandb, launcher, code and data; None if from an archive."""
    schema_version: int = SCHEMA_VERSION
    """Version of the file it was read from."""

    @property
    def runs(self) -> tuple[ListedRun, ...]:
        """Every run of every job."""
        return tuple(run for job in self.jobs for run in job.runs)


def listing_to_document(listing: SweepListing) -> dict[str, Any]:
    """Give the JSON form of a listing, in the newest version."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": listing.name,
        "question": listing.question,
        "hold_out": listing.hold_out,
        "law": listing.law,
        "aims": dict(listing.aims),
        **(listing.launch or {}),
        "base": dict(listing.base),
        "jobs": [{"job_id": job.job_id, "runs": [_run_document(run) for run in job.runs]} for job in listing.jobs],
    }


def _run_document(run: ListedRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "fingerprint": run.fingerprint,
        "n_steps": run.n_steps,
        "train_flops": run.train_flops,
        "trunk": run.trunk,
        "branches": run.branches,
        "config": dict(run.config),
    }


def write_listing(sweep_dir: Path, listing: SweepListing) -> None:
    """Write `sweep.json` atomically."""
    write_text(sweep_dir / SWEEP_FILE, json.dumps(listing_to_document(listing), allow_nan=False))


def read_listing(sweep_dir: Path) -> SweepListing:
    """Read `sweep.json`, of this version or an older one.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the sweep.

    Returns
    -------
    SweepListing
        Jobs as in the file, longest first; configurations are neither resolved nor checked.

    Raises
    ------
    UserError
        There is no such sweep.
    HarnessError
        The file is damaged, or of a newer version.
    """
    path = sweep_dir / SWEEP_FILE
    try:
        document = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{path} does not exist: start the sweep with `scaling-harness sweep run NAME`") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not JSON: delete it and start the sweep again; finished runs stay") from error
    return listing_from_document(document, path, sweep_dir.name)


def listing_from_document(document: Any, path: Path, name: str) -> SweepListing:
    """Make a listing from its JSON form.

    Parameters
    ----------
    document : object
        Parsed JSON.
    path : Path
        File that the document came from, for messages.
    name : str
        Name of the sweep if the document has none.

    Returns
    -------
    SweepListing

    Raises
    ------
    HarnessError
        The document is damaged, or of a newer version.
    """
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise HarnessError(
            f"{path} has schema version {version}, this code reads up to {SCHEMA_VERSION}: update this code"
        )
    try:
        return _listing(document, version or 1, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HarnessError(f"{path} is damaged: delete it and start the sweep again; finished runs stay") from error


def _listing(document: dict[str, Any], version: int, name: str) -> SweepListing:
    given = {key: document[key] for key in ("name", "question", "hold_out", "law", "aims", "base") if key in document}
    launch = {key: document[key] for key in _LAUNCH_KEYS if key in document}
    jobs = tuple(ListedJob(job["job_id"], tuple(map(_run, job["runs"]))) for job in document["jobs"])
    return SweepListing(**{"name": name, **given}, jobs=jobs, launch=launch or None, schema_version=version)


def _run(row: dict[str, Any]) -> ListedRun:
    return ListedRun(
        row["run_id"],
        row.get("n_steps", 0),
        row.get("train_flops", 0.0),
        row.get("fingerprint"),
        row.get("trunk"),
        tuple((step, branch) for step, branch in row.get("branches", ())),
        row.get("config", {}),
    )
