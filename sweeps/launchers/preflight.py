"""Check what must hold before a sweep is launched, by any launcher, and before a node starts on it."""

import socket
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from scaling_harness.errors import UserError
from scaling_harness.execution.source_check import check_source
from scaling_harness.record.atomic_files import explain_os_errors
from scaling_harness.record.provenance import code_version, is_comparable_version
from scaling_harness.record.store import Store
from sweeps.launchers.table import launcher_of
from sweeps.planning.manifest import CANCELLED, Manifest, write_manifest
from sweeps.status.run_status import FINISHED, RunStatus


def check_launch(manifest: Manifest, store: Store) -> None:
    """Check that a sweep can be trained as configured, before anything is written or submitted.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs would be stored.

    Raises
    ------
    UserError
        It cannot: several processes cannot share a run, a folder cannot be written, the code of a user's own
        architecture has changed, or its launcher refuses.
    """
    n = manifest.launcher.gpus_per_run
    for run in manifest.runs:
        if run.batch_seqs % n:
            raise UserError(
                f"launcher.gpus_per_run is {n}, but {run.run_id} has {run.batch_seqs} contexts per step: "
                "choose a number that divides them"
            )
    launcher_of(manifest.launcher).check(manifest)
    if changed := check_source(manifest.runs, store, manifest.runtime.mix_versions):
        print(f"warning: {changed}", file=sys.stderr)
    _check_writable(store, manifest.name)


def write_sweep(manifest: Manifest, store: Store) -> None:
    """Write the list of runs, and undo an earlier cancellation."""
    write_manifest(store.sweep_dir(manifest.name), manifest)
    (store.sweep_dir(manifest.name) / CANCELLED).unlink(missing_ok=True)


def check_node(manifest: Manifest, store: Store) -> None:
    """Check, on the machine that will train, what could not be checked where the sweep was launched.

    Raises
    ------
    UserError
        The machine cannot write the store, or has other code than the sweep was launched with.
    """
    try:
        _check_writable(store, manifest.name)
    except UserError as error:
        raise UserError(f"on {socket.gethostname()}: {error}") from error
    here = code_version()
    if not manifest.launcher.brings_code and manifest.code not in (None, here):
        raise UserError(
            f"the code changed since {manifest.name} was launched: `sweep run {manifest.name} --mix-versions` "
            "continues with the new code"
        )


def _check_writable(store: Store, name: str) -> None:
    for directory in _written_directories(store, name):
        with explain_os_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=directory).close()


def _written_directories(store: Store, name: str) -> Iterable[Path]:
    return store.run_dir("x").parent, store.checkpoint_path("x").parent, store.sweep_dir(name)


def check_version(name: str, planned: str | None, rows: Sequence[RunStatus], mix: bool) -> None:
    """Check that a sweep continues with the code that it began with.

    Parameters
    ----------
    name : str
        Name of the sweep.
    planned : str or None
        The version in its manifest; None if it is unknown.
    rows : sequence of RunStatus
        Status of its runs: versions are not mixed if no run has begun, or none is left.
    mix : bool
        Whether the user accepts several versions, so that a change is only a warning.

    Raises
    ------
    UserError
        The code changed, and the user did not accept it.
    """
    here = code_version()
    if planned is None or planned == here or all(row.state in FINISHED for row in rows):
        return
    if is_comparable_version(planned):
        changed = f"the code changed since the sweep {name} was planned, from {planned[:20]} to {here}"
    else:
        changed = f"the sweep {name} was planned by an earlier version of this harness ({planned[:20]}), here is {here}"
    if any(row.n_attempts for row in rows) and not mix:
        raise UserError(
            f"{changed}, and some of its runs were trained with the old code: go back to that code, "
            "start another sweep with sweep.name=NAME, or accept both with --mix-versions"
        )
    print(f"warning: {changed}", file=sys.stderr)
