"""The verb `report`."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_best_of, add_columns, add_count, add_json, add_runs, find_runs

HELP = "draw figures and write report.html, also for a sweep that is still running"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_runs(
        parser, "a sweep (name or folder), an archive (F.runs.zst, archive:NAME), or a CSV, JSONL or Parquet table"
    )
    add_count(parser)
    add_columns(parser)
    add_best_of(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write to (default: the folder of the sweep; reports/NAME for an archive)",
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Draw the figures and write the report."""
    from analysis.report.write import write_report

    path = find_runs(args.runs, args.runs_dir)
    paths = write_report(path, args.out, count=args.count, columns=args.columns, best_of=args.best_of)
    if paths.unchanged:
        print("nothing changed since this report was written; delete it to draw it again", file=sys.stderr)
    print(json.dumps({"html": str(paths.html), "summary": str(paths.summary_json)}) if args.json else paths.html)
    return 0
