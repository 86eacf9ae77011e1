"""The verb `pairs`."""

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json, add_runs, find_runs
from scaling_harness.cli._output import print_rows, say_dropped

if TYPE_CHECKING:
    from analysis.comparing.paired_runs import Cell
    from analysis.fitting.estimate import Estimate

HELP = "runs that differ in some settings alone: their losses and cost, in pairs"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_runs(parser)
    parser.add_argument("--by", required=True, metavar="FIELD,...", help="science fields, such as schedule.kind")
    add_json(parser)


def run(args: Namespace) -> int:
    """Losses and cost of runs that differ in some settings alone, pair by pair."""
    from analysis.comparing.paired_runs import pairings, read_records
    from analysis.to_json import to_json

    records, dropped = read_records(find_runs(args.runs, args.runs_dir))
    say_dropped(dropped)
    found = pairings(records, args.by.split(","))
    if args.json:
        print(json.dumps(to_json(found)))
        return 0
    for one in found:
        print(f"{one.second} (second) against {one.first} (first)")
        print_rows([_row(cell) for cell in one.cells])
        print(
            f"all: {_percent(one.difference)} of the loss, {one.n_pairs} pairs of {one.n_clusters} shapes and seeds; "
            f"{one.flops_share:.3g} of the FLOPs, {one.time_share:.3g} of the time\n"
        )
    return 0


def _row(cell: "Cell") -> dict[str, Any]:
    losses = {"L first": cell.loss_first, "L second": cell.loss_second, "difference": _percent(cell.difference)}
    return {"N": cell.n_params, "D": cell.n_tokens, "pairs": cell.n_pairs, **losses}


def _percent(estimate: "Estimate") -> str:
    """A difference of ln L as per cent."""
    value = f"{100 * estimate.value:+.2f} %"
    return value if estimate.ci95 is None else "{} [{:+.2f}, {:+.2f}]".format(value, *(100 * x for x in estimate.ci95))
