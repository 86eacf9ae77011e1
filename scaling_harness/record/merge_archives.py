"""Archives of several machines brought together, in one archive or in a store. A run that is there twice must agree."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.archive import Archive, ArchivedRun, read_curve
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.record import write_record
from scaling_harness.record.store import Store
from scaling_harness.record.sweep_listing import (
    SWEEP_FILE,
    ListedJob,
    ListedRun,
    SweepListing,
    read_listing,
    write_listing,
)

OF_THE_MACHINE = {
    "job_id",
    "runtime",
    "wall_s",
    "tokens_per_s",
    "peak_memory_bytes",
    "provenance",
    "warnings",
    "schema_version",
}
"""Fields in which records of the same run may differ: they say where it was trained, not what came of it."""
MOST_NAMED = 5


def merge(archives: Iterable[Archive]) -> Archive:
    """Join archives of one sweep; of a run that is in several, the first stays.

    Parameters
    ----------
    archives : iterable of Archive
        One or more.

    Returns
    -------
    Archive

    Raises
    ------
    UserError
        They are of different sweeps.
    HarnessError
        A run has different results in two of them.
    """
    first, *others = archives
    listing, runs = first.listing, dict(first.runs)
    for other in others:
        listing = join_listings(listing, other.listing)
        runs |= new_runs(runs, other.runs)
    return Archive(listing, {run.run_id: runs[run.run_id] for run in listing.runs if run.run_id in runs})


def join_listings(first: SweepListing, second: SweepListing) -> SweepListing:
    """The jobs of both, longest first.

    Raises
    ------
    UserError
        They are of different sweeps, or of one whose question, law or aims were changed between.
    """
    for name in ("name", "question", "hold_out", "law", "aims"):
        if getattr(first, name) != getattr(second, name):
            raise UserError(
                f"these are different sweeps: {name} is {getattr(first, name)!r} and {getattr(second, name)!r}; "
                "merge those of one sweep at a time, or into a store with --runs-dir"
            )
    known = {run.run_id for run in first.runs}
    rebased = [
        ListedJob(job.job_id, tuple(_rebased(run, first, second) for run in job.runs if run.run_id not in known))
        for job in second.jobs
    ]
    jobs = [*first.jobs, *(job for job in rebased if job.runs)]
    return dataclasses.replace(first, jobs=tuple(sorted(jobs, key=lambda j: (-_train_flops(j), j.job_id))))


def _rebased(run: ListedRun, to: SweepListing, of: SweepListing) -> ListedRun:
    """A listed run of one sweep with its configuration as differences from the base of another."""
    whole = {**of.base, **run.config}
    return dataclasses.replace(run, config={key: value for key, value in whole.items() if value != to.base.get(key)})


def _train_flops(job: ListedJob) -> float:
    return sum(run.train_flops for run in job.runs)


def new_runs(known: Mapping[str, ArchivedRun], given: Mapping[str, ArchivedRun]) -> dict[str, ArchivedRun]:
    """Runs that are not known, and those that ended here otherwise where they are known to have failed.

    Raises
    ------
    HarnessError
        Known runs have other results.
    """
    both = [run_id for run_id in given if run_id in known]
    retried = {run_id for run_id in both if known[run_id].record.status == "failed" != given[run_id].record.status}
    failed = {run_id for run_id in both if given[run_id].record.status == "failed"}
    if odd := [name for name in both if name not in retried | failed and not agree(known[name], given[name])]:
        named = ", ".join(odd[:MOST_NAMED]) + (f" and {len(odd) - MOST_NAMED} more" if len(odd) > MOST_NAMED else "")
        raise HarnessError(
            f"{len(odd)} runs are there twice with different results: {named}; nothing was merged. Trained on other "
            "machines or with other code they are not the same runs: leave one of the archives out"
        )
    return {run_id: run for run_id, run in given.items() if run_id not in known or run_id in retried}


def agree(first: ArchivedRun, second: ArchivedRun) -> bool:
    """Whether two trainings of a run came to the same result, to the digit."""
    return _results(first) == _results(second)


def _results(run: ArchivedRun) -> tuple[dict[str, Any], Any]:
    document = dataclasses.asdict(run.record)
    return {key: value for key, value in document.items() if key not in OF_THE_MACHINE}, run.curve


def merge_into_store(archives: Iterable[Archive], store: Store, is_held: Callable[[str], bool]) -> int:
    """Add what archives have to a store, and list their sweeps there; all is checked before anything is written.

    Parameters
    ----------
    archives : iterable of Archive
        Of one sweep or several.
    store : Store
        Its folder need not exist.
    is_held : callable
        Whether a process trains the run of that run_id now.

    Returns
    -------
    int
        Number of runs added.

    Raises
    ------
    UserError
        A sweep of that name is there with another question or without some of the runs, or a run is being trained.
    HarnessError
        A run has different results in two places.
    """
    listings: dict[str, SweepListing] = {}
    runs: dict[str, ArchivedRun] = {}
    for archive in archives:
        name = archive.listing.name
        listings[name] = join_listings(listings[name], archive.listing) if name in listings else archive.listing
        runs |= new_runs(runs, archive.runs)
    listings = {name: _with_listed(store.sweep_dir(name), listing) for name, listing in listings.items()}
    there = {name: ArchivedRun(store.read(name), read_curve(store, name)) for name in runs if store.is_finished(name)}
    added = new_runs(there, runs)
    if held := [run_id for run_id in added if is_held(run_id)]:
        raise UserError(f"{held[0]} is being trained in {store.runs_dir}: `scaling-harness sweep cancel` it first")
    for run in added.values():
        _write_run(store, run)
    for name, listing in listings.items():
        if listing.launch is None:  # else it is there already
            write_listing(store.sweep_dir(name), listing)
    return len(added)


def _with_listed(sweep_dir: Path, listing: SweepListing) -> SweepListing:
    """The listing that a store is to have: what is there, and what an archive adds to what another archive brought."""
    if not (sweep_dir / SWEEP_FILE).exists():
        return listing
    there = read_listing(sweep_dir)
    joined = join_listings(there, listing)
    more = len(joined.runs) - len(there.runs)
    if there.launch is not None and more:
        raise UserError(
            f"{more} runs of the archive are not in {sweep_dir / SWEEP_FILE}: add them with `scaling-harness sweep "
            "extend` first, or merge into another folder with --runs-dir"
        )
    return there if not more else joined


def _write_run(store: Store, run: ArchivedRun) -> None:
    """Curve first: a record means that the run has finished."""
    run_id = run.record.run_id
    write_text(store.metrics_path(run_id), "".join(json.dumps(row, allow_nan=False) + "\n" for row in run.curve))
    write_record(store.run_dir(run_id), run.record)
