"""The verb `sweep plan`."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from scaling_harness.cli._options import add_json, add_planned_sweep, planned

HELP = "print every run with its size, steps, cost and state, without writing anything"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_planned_sweep(parser)
    parser.add_argument(
        "--without-text", action="store_true", help="cost a sweep whose text is not here, as if there were enough of it"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what a sweep would train, and what it costs."""
    from sweeps.planning.plan_table import print_plan
    from sweeps.status.planned_cost import planned_cost

    manifest, store = planned(args, args.name)
    rows, totals = planned_cost(manifest, store)
    if args.json:
        document = {"name": manifest.name, "question": manifest.question, "totals": totals, "runs": rows}
        print(json.dumps(document | {"feeds": _feeds(rows)}))
    else:
        print(manifest.question)
        print_plan(rows, totals)
        print(*(f"{name}: {words}" for name, words in _feeds(rows).items()), sep="\n")
    return 0


def _feeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Which approaches the runs can feed; a trunk is no run of the grid."""
    import pandas as pd

    from analysis.frontier.design import feeds

    trunks = {row["trunk"] for row in rows}
    columns = {"n_params_with_head": "N", "n_tokens": "D", "train_flops": "C"}
    grid = [{letter: row[name] for name, letter in columns.items()} for row in rows if row["run_id"] not in trunks]
    return feeds(pd.DataFrame(grid))
