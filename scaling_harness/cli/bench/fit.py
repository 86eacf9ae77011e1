"""The verb `bench fit`."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json
from scaling_harness.errors import UserError

HELP = "measure how fast a law is fitted, compared with the usual methods"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--resamples", type=int, default=4000, metavar="K", help="(default: %(default)s)")
    parser.add_argument("--table", type=Path, metavar="F", help="table of runs to fit instead of simulated ones")
    parser.add_argument("--columns", metavar="N=...,D=...,loss=...", help="columns of the table")
    parser.add_argument("--drop-worst", type=int, default=0, metavar="K", help="leave out the K largest losses")
    parser.add_argument(
        "--share", type=float, default=1.0, metavar="P", help="part of the baseline that is measured, then scaled up"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Measure the fitter on this machine."""
    import dataclasses

    from analysis.bench.fit_speed import speed, speed_table
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Selection

    if not 0 < args.share <= 1:
        raise UserError(f"--share is {args.share}: give a part of the baseline above 0 and at most 1")
    if args.table is None and (args.columns or args.drop_worst):
        raise UserError("--columns and --drop-worst need --table: name a table of runs")
    runs = None
    if args.table:
        runs = load_runs(args.table, Selection(drop_worst=args.drop_worst), columns=args.columns).frame
    measured = speed(runs, resamples=args.resamples, share=args.share)
    print(json.dumps(dataclasses.asdict(measured)) if args.json else speed_table(measured))
    return 0
