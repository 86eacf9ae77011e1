"""The verb `table`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_columns, add_count, add_json, add_runs, find_runs
from scaling_harness.cli._output import print_document, print_dropped

HELP = "print every run as one row"
_SHOWN = ("run_id", "status", "N", "D", "C", "L", "bits_per_byte_test", "seed", "wall_s")


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_runs(
        parser, "a sweep (name or folder), an archive (F.runs.zst, archive:NAME), or a CSV, JSONL or Parquet table"
    )
    add_count(parser)
    add_columns(parser)
    parser.add_argument("--csv", type=Path, metavar="F", help="also write the table to this file")
    add_json(parser)


def run(args: Namespace) -> int:
    """Print every run as one row."""
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Selection
    from scaling_harness.record.atomic_files import parse_json, write_text

    runs = load_runs(
        find_runs(args.runs, args.runs_dir), Selection(args.count, keep_recipes=True), columns=args.columns
    )
    print_dropped(runs.dropped)
    if args.csv:
        write_text(args.csv, runs.frame.to_csv(index=False))
    shown = [name for name in _SHOWN if name in runs.frame]
    frame = runs.frame if args.json else runs.frame[shown]
    rows = parse_json(str(frame.to_json(orient="records")))
    print_document(args.json, rows, [{name: row[name] for name in shown} for row in rows])
    return 0
