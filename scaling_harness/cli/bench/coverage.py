"""The verb `bench coverage`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json

HELP = "count how often intervals contain the truth in simulated sweeps"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--resamples", type=int, default=400, metavar="K", help="per sweep (default: %(default)s)")
    parser.add_argument("--sweeps", type=int, default=2000, metavar="K", help="per scenario (default: %(default)s)")
    parser.add_argument("--scenarios", metavar="S,...", help="from hoffmann, isoflop, asymmetric (default: all)")
    parser.add_argument(
        "--methods",
        default="cases,residuals,noise,sandwich,profile,approaches",
        metavar="M,...",
        help="methods for intervals (default: %(default)s)",
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Count how often intervals contain the truth, scenario by scenario."""
    import dataclasses

    from analysis.bench.coverage import coverage, coverage_table
    from analysis.bench.scenarios import SCENARIOS

    scenarios = args.scenarios.split(",") if args.scenarios else list(SCENARIOS)
    methods = args.methods.split(",")
    rows = []
    for name in scenarios:
        part = coverage([name], methods, args.sweeps, args.resamples)
        rows += part
        if not args.json:
            print(f"{SCENARIOS[name].describes}\n{coverage_table(part)}\n", flush=True)
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows]))
    return 0
