"""The verb `sweep plan`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, add_planned_sweep, planned

HELP = "print every run with its size, steps, cost and state, without writing anything"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_planned_sweep(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what a sweep would train, and what it costs."""
    from sweeps.planning.plan_table import print_plan
    from sweeps.status.planned_cost import planned_cost

    manifest, store = planned(args, args.name)
    rows, totals = planned_cost(manifest, store)
    if args.json:
        print(json.dumps({"name": manifest.name, "question": manifest.question, "totals": totals, "runs": rows}))
    else:
        print(manifest.question)
        print_plan(rows, totals)
    return 0
