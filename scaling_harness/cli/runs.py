"""The verb `runs`: archives of sweeps, for another machine, another day or the repository."""

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from scaling_harness.record.archive import Archive

HELP = "write records and curves of a sweep to one small file, or bring such files together"


def add_options(parser: ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write what has finished of a sweep to an archive")
    export.add_argument("sweep", metavar="SWEEP", help="a sweep (name or folder)")
    export.add_argument("--runs-dir", default="runs", metavar="DIR", help="where sweeps are (default: %(default)s)")
    export.add_argument("-o", "--out", required=True, metavar="F", help="the archive, NAME.runs.zst")
    merge = actions.add_parser("merge", help="bring archives together; a run that is in several must agree")
    merge.add_argument("archives", nargs="+", metavar="F", help="archives, or archive:NAME")
    into = merge.add_mutually_exclusive_group(required=True)
    into.add_argument("--runs-dir", metavar="DIR", help="add the runs to the store there")
    into.add_argument("-o", "--out", metavar="F", help="write one archive, NAME.runs.zst")
    for action in (export, merge):
        action.add_argument("--json", action="store_true", help="one JSON document on stdout and nothing else")


def run(options: Namespace) -> int:
    """Export a sweep or merge archives; 0."""
    document = _export(options) if options.action == "export" else _merge(options)
    if options.json:
        print(json.dumps(document))
        return 0
    counts = ", ".join(f"{n} {status}" for status, n in document["status"].items())
    print(f"{document['path']}: {document['n_runs']} runs of {', '.join(document['sweeps'])} ({counts})")
    if "n_added" in document:
        print(f"added: {document['n_added']} of them")
    return 0


def _export(options: Namespace) -> dict[str, Any]:
    from scaling_harness.record.archive import export_sweep

    folders = (Path(options.sweep), Path(options.runs_dir) / options.sweep)
    folder = next((path for path in folders if path.is_dir()), folders[-1])
    return _write(_archive_path(options.out), export_sweep(folder))


def _merge(options: Namespace) -> dict[str, Any]:
    from scaling_harness.execution.claim import is_held
    from scaling_harness.record.archive import locate, read_archive
    from scaling_harness.record.merge_archives import merge, merge_into_store
    from scaling_harness.record.store import Store

    archives = [read_archive(locate(path)) for path in options.archives]
    if options.out:
        return _write(_archive_path(options.out), merge(archives))
    store = Store(Path(options.runs_dir))
    n_added = merge_into_store(archives, store, lambda run_id: is_held([run_id], store))
    return {"path": str(store.runs_dir), **_summary(*archives), "n_added": n_added}


def _archive_path(text: str) -> Path:
    from scaling_harness.record.archive import SUFFIX, is_archive

    if not is_archive(Path(text)):
        raise UserError(f"{text} is not named as an archive is: give -o {text}{SUFFIX}")
    return Path(text)


def _write(path: Path, archive: "Archive") -> dict[str, Any]:
    from scaling_harness.record.archive import write_archive

    write_archive(path, archive)
    return {"path": str(path), **_summary(archive)}


def _summary(*archives: "Archive") -> dict[str, Any]:
    """Names of the sweeps, number of runs, and how many of them have which status."""
    status = {run.run_id: "not finished" for archive in archives for run in archive.listing.runs}
    status |= {run_id: run.record.status for archive in archives for run_id, run in archive.runs.items()}
    names = sorted({archive.listing.name for archive in archives})
    return {"sweeps": names, "n_runs": len(status), "status": dict(sorted(Counter(status.values()).items()))}
