"""The verb `bench law`."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json, add_overrides

HELP = "measure how long the plain baseline takes to reach a law as good as ours"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("runs", "bench-law"),
        metavar="DIR",
        help="folder of the runs (default: %(default)s)",
    )
    parser.add_argument("--sweep", default="reproduce-quick", metavar="NAME", help="our sweep (default: %(default)s)")
    parser.add_argument(
        "--baseline",
        default="bench-law",
        metavar="NAME",
        help="sweep of the baseline; NAME-tune is its search (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes", type=float, default=15.0, metavar="T", help="time limit of our sweep (default: %(default)s)"
    )
    parser.add_argument(
        "--baseline-minutes",
        type=float,
        default=60.0,
        metavar="T",
        help="time limit of the baseline (default: %(default)s)",
    )
    parser.add_argument(
        "--trials", type=int, default=12, metavar="K", help="trials of the baseline's search (default: %(default)s)"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Train our sweep and the baseline's, or what is left of them, and compare their records."""
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
    comparison = compare(sides.ours, sides.theirs, LAWS[read_manifest(sides.ours).law])
    if args.json:
        print(json.dumps(to_json(comparison) | {"baseline_tuned_by": effort}))
    else:
        print_comparison(comparison)
        print(f"the baseline was tuned by {effort}, which is not counted; our settings are those of the sweep file")
    return 0


def _spent_s(sweep_dir: Path) -> float:
    """Seconds of training that a sweep has used."""
    from analysis.report.summary import elapsed_s
    from analysis.runs.load import read_all

    known = list(sweep_dir.parent.glob("store/*/record.json"))
    return (elapsed_s(read_all(sweep_dir)) or 0.0) if known else 0.0
