"""What `sweep run`, `extend`, `retry` and `probe` do: begin a sweep, go on with it, add to it, time it."""

import dataclasses
from typing import Any

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.provenance import code_version
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror import mirror
from sweeps.launchers.local import run_sweep
from sweeps.launchers.preflight import check, start
from sweeps.launchers.retry import free_failed
from sweeps.launchers.slurm.probe_job import wait_for_probe
from sweeps.launchers.slurm.submit import submit
from sweeps.launchers.versions import check_version
from sweeps.planning.manifest import MANIFEST_FILE, Manifest, merge, read_manifest, write_manifest
from sweeps.planning.plan_table import cost_sentence, plan_rows, plan_totals
from sweeps.planning.time_estimate import n_workers, runs_at_once
from sweeps.status.run_status import states, status
from sweeps.timing.cost import settle, verdict
from sweeps.timing.probe import Probe, prepare, probe


def is_started(name: str, store: Store) -> bool:
    """Whether a sweep of that name has a list of runs."""
    return (store.sweep_dir(name) / MANIFEST_FILE).exists()


def planned_cost(manifest: Manifest, store: Store) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Describe every planned run with its state, and sum them; see `plan_rows` and `plan_totals`."""
    rows = plan_rows(manifest.jobs, states(manifest.jobs, store))
    return rows, plan_totals(rows, runs_at_once(manifest.runtime, manifest.launcher))


def begin_or_resume(manifest: Manifest, store: Store, mix_versions: bool = False) -> int:
    """Launch a sweep, or what is left of it.

    Parameters
    ----------
    manifest : Manifest
        As it is planned now.
    store : Store
        Where its runs live.
    mix_versions : bool
        Whether a sweep may go on with other code than it began with.

    Returns
    -------
    int
        The exit code; see `launch`.

    Raises
    ------
    UserError
        It has runs that the sweep was not started with, other code, or cannot be launched.
    HarnessError
        Runs failed.
    """
    manifest = _mixing(manifest, mix_versions)
    if not is_started(manifest.name, store):
        return launch(manifest, store)
    known = read_manifest(store.sweep_dir(manifest.name))
    new = {run.fingerprint for run in manifest.runs} - {run.fingerprint for run in known.runs}
    if new:
        raise UserError(
            f"{len(new)} of these {len(manifest.runs)} runs are not in the sweep {manifest.name} as it was "
            "started; add them with `scaling-harness sweep extend`, or start another one with sweep.name=NAME"
        )
    check_version(known.name, known.code, status(known.jobs, store), mix_versions)
    return launch(dataclasses.replace(manifest, jobs=known.jobs), store)


def extend(added: Manifest, store: Store) -> tuple[int, int]:
    """Add runs to a sweep that was started; they are trained by the next launch.

    Parameters
    ----------
    added : Manifest
        The sweep as it is planned now.
    store : Store
        Where its runs live.

    Returns
    -------
    tuple of int
        Runs that are new, and runs in all.
    """
    sweep_dir = store.sweep_dir(added.name)
    known = read_manifest(sweep_dir)
    # Launcher and version are those of what was launched, which this is not.
    jobs = merge(known.jobs, added.jobs)
    manifest = dataclasses.replace(added, jobs=jobs, launcher=known.launcher, code=known.code)
    write_manifest(sweep_dir, manifest)
    return len(manifest.runs) - len(known.runs), len(manifest.runs)


def retry_failed(name: str, store: Store, mix_versions: bool = False) -> int:
    """Free the failed runs of a sweep and launch it again.

    Parameters
    ----------
    name : str
        Of the sweep.
    store : Store
        Where its runs live.
    mix_versions : bool
        See `begin_or_resume`.

    Returns
    -------
    int
        The exit code; see `launch`.

    Raises
    ------
    UserError, HarnessError
        See `begin_or_resume`; nothing was freed if the code changed.
    """
    manifest = _mixing(read_manifest(store.sweep_dir(name)), mix_versions)
    rows = status(manifest.jobs, store)
    to_train = [dataclasses.replace(row, state="waiting") if row.state == "failed" else row for row in rows]
    check_version(name, manifest.code, to_train, mix_versions)
    freed = free_failed(rows, store)
    print(f"{len(freed)} failed runs of {name} are tried again")
    return launch(dataclasses.replace(manifest, code=code_version()), store) if freed else 0


def _mixing(manifest: Manifest, mix_versions: bool) -> Manifest:
    """The sweep; its workers learn whether several versions of an own architecture may be trained."""
    mix = manifest.runtime.mix_versions or mix_versions
    return dataclasses.replace(manifest, runtime=dataclasses.replace(manifest.runtime, mix_versions=mix))


def launch(manifest: Manifest, store: Store) -> int:
    """Check everything, write the list of runs, and have them trained.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs live.

    Returns
    -------
    int
        0, or 130 if it was interrupted.

    Raises
    ------
    UserError
        It cannot be launched; nothing was written.
    HarnessError
        Runs failed.
    """
    check(manifest, store)
    start(manifest, store)
    if manifest.launcher.kind == "local":
        return train_here(manifest, store)
    print(cost_sentence(planned_cost(manifest, store)[1]))
    print(submit(manifest, manifest.launcher, store))
    return 0


def take_probe(manifest: Manifest, store: Store) -> Probe:
    """Time steps where the sweep would be trained: on this machine, or on a node of the partition.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs would live.

    Returns
    -------
    Probe

    Raises
    ------
    UserError
        It cannot be launched.
    HarnessError
        The steps could not be taken.
    """
    check(manifest, store)
    folder = prepare(store.sweep_dir(manifest.name), manifest)
    if manifest.launcher.kind == "local":
        return probe(folder, n_workers(manifest.runtime))
    return wait_for_probe(folder, manifest.launcher, manifest.runtime.threads)


def train_here(manifest: Manifest, store: Store) -> int:
    """Train what is left of a sweep with the workers of this machine.

    Parameters
    ----------
    manifest : Manifest
        Written to the store before.
    store : Store
        Where its runs live.

    Returns
    -------
    int
        0, or 130 if it was interrupted.

    Raises
    ------
    HarnessError
        Runs failed.
    """
    summary = run_sweep(manifest, store, manifest.runtime)
    if summary.interrupted:
        return 130
    mirror((run.run_id for run in manifest.runs), store, manifest.wandb, manifest.name)
    if finished := settle(store.sweep_dir(manifest.name), manifest.jobs, store):
        print(verdict(finished))
    if summary.n_failed:
        raise HarnessError(f"{summary.n_failed} runs failed; `scaling-harness sweep status {manifest.name}` says why")
    return 0
