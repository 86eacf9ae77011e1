"""Start, resume, extend, retry and probe a sweep: the actions of the verb `sweep`."""

import dataclasses

from scaling_harness.errors import UserError
from scaling_harness.record.provenance import code_version
from scaling_harness.record.store import Store
from scaling_harness.record.sweep_listing import SWEEP_FILE
from sweeps.launchers.control import free_failed
from sweeps.launchers.preflight import check_launch, check_version, write_sweep
from sweeps.launchers.table import launcher_of
from sweeps.planning.manifest import Manifest, merge_jobs, read_manifest, write_manifest
from sweeps.status.run_status import status
from sweeps.timing.probe import Probe, prepare_probe


def is_started(name: str, store: Store) -> bool:
    """Whether a sweep of this name has a list of runs."""
    return (store.sweep_dir(name) / SWEEP_FILE).exists()


def begin_or_resume(manifest: Manifest, store: Store, mix_versions: bool = False) -> int:
    """Launch a sweep, or resume what is left of it.

    Parameters
    ----------
    manifest : Manifest
        The sweep as it is planned now.
    store : Store
        Where its runs are stored.
    mix_versions : bool
        Whether a sweep may continue with other code than it began with.

    Returns
    -------
    int
        The exit code; see `launch`.

    Raises
    ------
    UserError
        Its runs or code differ from those that it was started with, or it cannot be launched.
    HarnessError
        Runs failed.
    """
    manifest = _with_mix_versions(manifest, manifest.runtime.mix_versions or mix_versions)
    if not is_started(manifest.name, store):
        return launch(manifest, store)
    known = read_manifest(store.sweep_dir(manifest.name))
    new = {run.fingerprint for run in manifest.runs} - {run.fingerprint for run in known.runs}
    if new:
        raise UserError(
            f"{len(new)} of these {len(manifest.runs)} runs are not in the sweep {manifest.name} as it was "
            "started; add them with `scaling-harness sweep extend`, or start another sweep with sweep.name=NAME"
        )
    check_version(known.name, known.code, status(known.jobs, store), mix_versions)
    return launch(dataclasses.replace(manifest, jobs=known.jobs), store)


def extend(added: Manifest, store: Store) -> tuple[int, int]:
    """Add runs to a sweep that was started; the next launch trains them.

    Parameters
    ----------
    added : Manifest
        The sweep as it is planned now.
    store : Store
        Where its runs are stored.

    Returns
    -------
    tuple of int
        Number of new runs, and of all runs.
    """
    sweep_dir = store.sweep_dir(added.name)
    known = read_manifest(sweep_dir)
    # Keep the launcher and version of the last launch: this launches nothing.
    jobs = merge_jobs(known.jobs, added.jobs)
    manifest = dataclasses.replace(added, jobs=jobs, launcher=known.launcher, code=known.code)
    write_manifest(sweep_dir, manifest)
    return len(manifest.runs) - len(known.runs), len(manifest.runs)


def retry_failed(name: str, store: Store, mix_versions: bool = False) -> int:
    """Free the failed runs of a sweep and launch it again.

    Parameters
    ----------
    name : str
        Name of the sweep.
    store : Store
        Where its runs are stored.
    mix_versions : bool
        See `begin_or_resume`; what an earlier launch was told does not count.

    Returns
    -------
    int
        The exit code; see `launch`.

    Raises
    ------
    UserError, HarnessError
        See `begin_or_resume`; no run is freed if the code changed.
    """
    manifest = _with_mix_versions(read_manifest(store.sweep_dir(name)), mix_versions)
    rows = status(manifest.jobs, store)
    to_train = [dataclasses.replace(row, state="waiting") if row.state == "failed" else row for row in rows]
    check_version(name, manifest.code, to_train, mix_versions)
    freed = free_failed(rows, store)
    print(f"trying {len(freed)} failed runs of {name} again")
    return launch(dataclasses.replace(manifest, code=code_version()), store) if freed else 0


def _with_mix_versions(manifest: Manifest, mix_versions: bool) -> Manifest:
    """Tell the workers of a sweep whether they may train several versions of a user's own architecture."""
    runtime = dataclasses.replace(manifest.runtime, mix_versions=mix_versions)
    return dataclasses.replace(manifest, runtime=runtime)


def launch(manifest: Manifest, store: Store) -> int:
    """Check everything, write the list of runs, and train them.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs are stored.

    Returns
    -------
    int
        0, or 130 if it was interrupted.

    Raises
    ------
    UserError
        The sweep cannot be launched; nothing was written.
    HarnessError
        Runs failed.
    """
    check_launch(manifest, store)
    write_sweep(manifest, store)
    return 0 if launcher_of(manifest.launcher).start(manifest, store) else 130


def launch_probe(manifest: Manifest, store: Store) -> Probe:
    """Time steps on the machine where the sweep would be trained.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs would be stored.

    Returns
    -------
    Probe

    Raises
    ------
    UserError
        The sweep cannot be launched.
    HarnessError
        A training process failed.
    """
    check_launch(manifest, store)
    folder = prepare_probe(store.sweep_dir(manifest.name), manifest)
    return launcher_of(manifest.launcher).probe(folder, manifest.runtime)
