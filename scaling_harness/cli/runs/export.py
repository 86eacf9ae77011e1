"""The action `runs export`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json, add_runs_dir
from scaling_harness.cli.runs._archives import archive_path, print_summary, summary

HELP = "write the finished runs of a sweep to an archive"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("sweep", metavar="SWEEP", help="a sweep (name or folder)")
    add_runs_dir(parser)
    parser.add_argument("-o", "--out", required=True, metavar="F", help="archive to write, NAME.runs.zst")
    add_json(parser)


def run(args: Namespace) -> int:
    """Export a sweep."""
    from scaling_harness.record.archive import export_sweep, write_archive

    path = archive_path(args.out)
    folders = (Path(args.sweep), args.runs_dir / args.sweep)
    archive = export_sweep(next((folder for folder in folders if folder.is_dir()), folders[-1]))
    write_archive(path, archive)
    print_summary({"path": str(path), **summary([archive])}, args.json)
    return 0
