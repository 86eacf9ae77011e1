"""What must hold before a sweep is launched, by whatever launcher, and before a node of it begins."""

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


def check(manifest: Manifest, store: Store) -> None:
    """Check that a sweep can be trained as asked, before anything is written or submitted.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs would live.

    Raises
    ------
    UserError
        It cannot: runs that several processes cannot share, no place to write, an architecture of the user's own whose
        code has changed, or what its launcher says.
    """
    n = manifest.launcher.gpus_per_run
    for run in manifest.runs:
        if run.batch_seqs % n:
            raise UserError(
                f"launcher.gpus_per_run is {n}, and {run.run_id} has {run.batch_seqs} contexts a step: "
                "it must divide them"
            )
    launcher_of(manifest.launcher).check(manifest)
    if changed := check_source(manifest.runs, store, manifest.runtime.mix_versions):
        print(f"warning: {changed}", file=sys.stderr)
    _check_writable(store, manifest.name)


def start(manifest: Manifest, store: Store) -> None:
    """Write the list of runs; whatever was cancelled is wanted again."""
    write_manifest(store.sweep_dir(manifest.name), manifest)
    (store.sweep_dir(manifest.name) / CANCELLED).unlink(missing_ok=True)


def check_node(manifest: Manifest, store: Store) -> None:
    """Check, on the machine that is to train, what could not be known where the sweep was launched.

    Raises
    ------
    UserError
        It cannot write the store, or has other code than the sweep was launched with.
    """
    try:
        _check_writable(store, manifest.name)
    except UserError as error:
        raise UserError(f"on {socket.gethostname()}: {error}") from error
    here = code_version()
    if not manifest.launcher.brings_code and manifest.code not in (None, here):
        raise UserError(
            f"the code changed since {manifest.name} was launched: `sweep run {manifest.name} --mix-versions` "
            "goes on with the new one"
        )


def _check_writable(store: Store, name: str) -> None:
    for directory in _written(store, name):
        with explain_os_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=directory).close()


def _written(store: Store, name: str) -> Iterable[Path]:
    return store.run_dir("x").parent, store.checkpoint_path("x").parent, store.sweep_dir(name)


def check_version(name: str, planned: str | None, rows: Sequence[RunStatus], mix: bool) -> None:
    """Check that a sweep goes on with the code that began it.

    Parameters
    ----------
    name : str
        Of the sweep.
    planned : str or None
        The version in its manifest; None where it could not be told.
    rows : sequence of RunStatus
        How its runs stand: nothing is mixed where none has begun, or none is left.
    mix : bool
        Whether the user agrees to several versions; then it is only said.

    Raises
    ------
    UserError
        It does not, and the user did not agree.
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
            f"{changed}, and some of its runs were trained with the old one: go back to it, "
            "start another sweep with sweep.name=NAME, or accept both with --mix-versions"
        )
    print(f"warning: {changed}", file=sys.stderr)
