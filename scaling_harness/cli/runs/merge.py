"""The action `runs merge`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json
from scaling_harness.cli.runs._archives import archive_path, print_summary, summary

if TYPE_CHECKING:
    from scaling_harness.record.archive import Archive

HELP = "merge archives; results of a run that is in several must be equal"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("archives", nargs="+", metavar="F", help="archives, or archive:NAME")
    into = parser.add_mutually_exclusive_group(required=True)
    into.add_argument("--runs-dir", type=Path, metavar="DIR", help="add the runs to the store in this folder")
    into.add_argument("-o", "--out", metavar="F", help="write one archive, NAME.runs.zst")
    add_json(parser)


def run(args: Namespace) -> int:
    """Merge archives into one, or into a store."""
    from scaling_harness.record.archive import locate, read_archive

    archives = [read_archive(locate(path)) for path in args.archives]
    written = _into_archive(args.out, archives) if args.out else _into_store(args.runs_dir, archives)
    print_summary(written, args.json)
    return 0


def _into_archive(out: str, archives: "list[Archive]") -> dict[str, Any]:
    from scaling_harness.record.archive import write_archive
    from scaling_harness.record.merge_archives import merge

    path, merged = archive_path(out), merge(archives)
    write_archive(path, merged)
    return {"path": str(path), **summary([merged])}


def _into_store(runs_dir: Path, archives: "list[Archive]") -> dict[str, Any]:
    from scaling_harness.execution.claim import is_held
    from scaling_harness.record.merge_archives import merge_into_store
    from scaling_harness.record.store import Store

    store = Store(runs_dir)
    n_added = merge_into_store(archives, store, lambda run_id: is_held([run_id], store))
    return {"path": str(runs_dir), **summary(archives), "n_added": n_added}
