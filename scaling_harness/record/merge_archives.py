"""Merge archives of several machines, into one archive or into a store. Results of the same run must be equal."""

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

MACHINE_FIELDS = {
    "job_id",
    "runtime",
    "wall_s",
    "tokens_per_s",
    "peak_memory_bytes",
    "provenance",
    "warnings",
    "schema_version",
}
"""Fields in which records of the same run may differ: they describe the training, not its result."""
MAX_NAMED = 5
"""Number of run names in an error message."""


def merge(archives: Iterable[Archive]) -> Archive:
    """Join archives of one sweep; a run that is in several is kept as in the first.

    Parameters
    ----------
    archives : iterable of Archive
        One archive or more.

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
    """Join the jobs of two listings, longest first.

    Raises
    ------
    UserError
        They are of different sweeps, or the question, law or aims of the sweep changed between them.
    """
    for name in ("name", "question", "hold_out", "law", "aims"):
        if getattr(first, name) != getattr(second, name):
            raise UserError(
                f"these are different sweeps: {name} is {getattr(first, name)!r} and {getattr(second, name)!r}; "
                "merge archives of one sweep at a time, or into a store with --runs-dir"
            )
    known = {run.run_id for run in first.runs}
    rebased = [
        ListedJob(job.job_id, tuple(_rebased(run, first, second) for run in job.runs if run.run_id not in known))
        for job in second.jobs
    ]
    jobs = [*first.jobs, *(job for job in rebased if job.runs)]
    return dataclasses.replace(first, jobs=tuple(sorted(jobs, key=lambda j: (-_train_flops(j), j.job_id))))


def _rebased(run: ListedRun, to: SweepListing, of: SweepListing) -> ListedRun:
    """Express the configuration of a listed run as differences from the base of another listing."""
    whole = {**of.base, **run.config}
    return dataclasses.replace(run, config={key: value for key, value in whole.items() if value != to.base.get(key)})


def _train_flops(job: ListedJob) -> float:
    return sum(run.train_flops for run in job.runs)


def new_runs(known: Mapping[str, ArchivedRun], given: Mapping[str, ArchivedRun]) -> dict[str, ArchivedRun]:
    """Select given runs that are not known, or whose known record is a failure and the given one is not.

    Raises
    ------
    HarnessError
        Known runs have other results.
    """
    both = [run_id for run_id in given if run_id in known]
    retried = {run_id for run_id in both if known[run_id].record.status == "failed" != given[run_id].record.status}
    failed = {run_id for run_id in both if given[run_id].record.status == "failed"}
    if odd := [name for name in both if name not in retried | failed and not agree(known[name], given[name])]:
        named = ", ".join(odd[:MAX_NAMED]) + (f" and {len(odd) - MAX_NAMED} more" if len(odd) > MAX_NAMED else "")
        raise HarnessError(
            f"{len(odd)} runs are there twice with different results: {named}; nothing was merged. They were trained "
            "on other machines or with other code, so they are not the same runs: leave one of the archives out"
        )
    return {run_id: run for run_id, run in given.items() if run_id not in known or run_id in retried}


def agree(first: ArchivedRun, second: ArchivedRun) -> bool:
    """Whether two trainings of a run gave the same result, to the digit."""
    return _results(first) == _results(second)


def _results(run: ArchivedRun) -> tuple[dict[str, Any], Any]:
    document = dataclasses.asdict(run.record)
    return {key: value for key, value in document.items() if key not in MACHINE_FIELDS}, run.curve


def merge_into_store(archives: Iterable[Archive], store: Store, is_held: Callable[[str], bool]) -> int:
    """Add the runs of archives to a store, and list their sweeps there; all is checked before anything is written.

    Parameters
    ----------
    archives : iterable of Archive
        Archives of one sweep or several.
    store : Store
        Store to add to; its folder need not exist.
    is_held : callable
        Takes a run_id; True if a process trains that run now.

    Returns
    -------
    int
        Number of runs added.

    Raises
    ------
    UserError
        The store has a sweep of that name with another question or without some of the runs, or a run is being trained.
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
    stored = {name: ArchivedRun(store.read(name), read_curve(store, name)) for name in runs if store.is_finished(name)}
    added = new_runs(stored, runs)
    if held := [run_id for run_id in added if is_held(run_id)]:
        raise UserError(f"{held[0]} is being trained in {store.runs_dir}: `scaling-harness sweep cancel` it first")
    for run in added.values():
        _write_run(store, run)
    for name, listing in listings.items():
        if listing.launch is None:  # else it is listed already
            write_listing(store.sweep_dir(name), listing)
    return len(added)


def _with_listed(sweep_dir: Path, listing: SweepListing) -> SweepListing:
    """Join a listing with the store's, or keep the store's if the sweep was launched there and has all the runs."""
    if not (sweep_dir / SWEEP_FILE).exists():
        return listing
    stored = read_listing(sweep_dir)
    joined = join_listings(stored, listing)
    n_more = len(joined.runs) - len(stored.runs)
    if stored.launch is not None and n_more:
        raise UserError(
            f"{n_more} runs of the archive are not in {sweep_dir / SWEEP_FILE}: add them with `scaling-harness sweep "
            "extend` first, or merge into another folder with --runs-dir"
        )
    return joined if n_more else stored


def _write_run(store: Store, run: ArchivedRun) -> None:
    """Write the curve first: a record means that the run has finished."""
    run_id = run.record.run_id
    write_text(store.metrics_path(run_id), "".join(json.dumps(row, allow_nan=False) + "\n" for row in run.curve))
    write_record(store.run_dir(run_id), run.record)
