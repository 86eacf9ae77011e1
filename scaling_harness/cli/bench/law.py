"""The verb `bench law`."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json, add_overrides

HELP = "how long the plain baseline takes to as good a law as ours"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    parser.add_argument(
        "--directory", type=Path, default=Path("runs", "bench-law"), metavar="DIR", help="of its runs (%(default)s)"
    )
    parser.add_argument("--sweep", default="reproduce-quick", metavar="NAME", help="ours (default: %(default)s)")
    parser.add_argument(
        "--baseline", default="bench-law", metavar="NAME", help="its grid; NAME-tune: its search (%(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=15.0, metavar="T", help="that ours has (default: %(default)s)")
    parser.add_argument(
        "--baseline-minutes", type=float, default=60.0, metavar="T", help="that the baseline has (default: %(default)s)"
    )
    parser.add_argument(
        "--trials", type=int, default=12, metavar="K", help="of the baseline's search (default: %(default)s)"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Train both sides, or what is left of them, and compare their records."""
    from analysis.bench.time_to_law import compare, print_comparison
    from analysis.laws.registry import LAWS
    from analysis.to_json import to_json
    from sweeps.bench.time_to_law import TimedSweeps, train_both
    from sweeps.planning.manifest import read_manifest

    sides = TimedSweeps(
        args.directory,
        args.sweep,
        args.baseline,
        args.minutes,
        args.baseline_minutes,
        args.trials,
        tuple(args.overrides),
        args.config_dir,
    )
    effort = train_both(sides, _spent_s)
    found = compare(sides.ours, sides.theirs, LAWS[read_manifest(sides.ours).law])
    if args.json:
        print(json.dumps(to_json(found) | {"baseline_tuned_by": effort}))
    else:
        print_comparison(found)
        print(f"the baseline was tuned, in time of its own, by {effort}; ours is as its sweep says")
    return 0


def _spent_s(sweep_dir: Path) -> float:
    """Seconds of training that a sweep has had."""
    from analysis.report.summary import elapsed_s
    from analysis.runs.load import read_all

    known = list(sweep_dir.parent.glob("store/*/record.json"))
    return (elapsed_s(read_all(sweep_dir)) or 0.0) if known else 0.0
