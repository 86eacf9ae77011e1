"""The verb `bench discrepancy`."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json

HELP = "measure how far forecasts miss on public IsoFLOP tables, and the discrepancy that they ask for"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--sweeps", type=int, default=400, metavar="K", help="simulated of each other form (default: %(default)s)"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="where public tables are, or are downloaded to, if SCALING_HARNESS_DATA does not name one with them "
        "(default: %(default)s)",
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what public tables and simulated sweeps of other forms ask of tau."""
    from analysis.bench.discrepancy import discrepancy, discrepancy_table
    from analysis.to_json import to_json

    measured = discrepancy(args.folder, args.sweeps)
    print(json.dumps(to_json(measured)) if args.json else discrepancy_table(measured))
    return 0
