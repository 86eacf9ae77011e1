"""The verb `bench coverage`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json

HELP = "count how often intervals contain the truth in simulated sweeps"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--resamples", type=int, default=400, metavar="K", help="per sweep (default: %(default)s)")
    parser.add_argument("--sweeps", type=int, default=2000, metavar="K", help="per scenario (default: %(default)s)")
    parser.add_argument(
        "--scenarios",
        metavar="S,...",
        help="from hoffmann, isoflop, asymmetric, whose truth has the form that is fitted, and interaction, curvature, "
        "broken, large_scale, drifting_k, whose truth has another (default: all)",
    )
    parser.add_argument(
        "--methods",
        default="cases,residuals,noise,sandwich,profile,approaches,forecasts",
        metavar="M,...",
        help="methods for intervals (default: %(default)s)",
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Count how often intervals contain the truth, scenario by scenario, and forecasts also over all of them."""
    import dataclasses

    from analysis.bench.coverage import KNOWN, coverage
    from analysis.bench.coverage_table import coverage_table
    from analysis.bench.forecast_coverage import pooled
    from analysis.bench.other_forms import OTHER_FORMS
    from analysis.bench.scenarios import SCENARIOS

    scenarios = args.scenarios.split(",") if args.scenarios else list(KNOWN)
    methods = args.methods.split(",")
    described = {**SCENARIOS, **OTHER_FORMS}
    rows = []
    for name in scenarios:
        part = coverage([name], methods, args.sweeps, args.resamples)
        rows += part
        if not args.json and part:
            print(f"{described[name].describes}\n{coverage_table(part)}\n", flush=True)
    together = pooled(rows) if len(scenarios) > 1 else []
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in [*rows, *together]]))
    elif together:
        print(f"forecasts over all forms\n{coverage_table(together)}")
    return 0
