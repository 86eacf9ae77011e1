"""The verb `pairs`."""

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json, add_runs, find_runs
from scaling_harness.cli._output import print_dropped, print_rows

if TYPE_CHECKING:
    from analysis.comparing.paired_runs import Cell
    from analysis.fitting.estimate import Estimate

HELP = "compare runs that differ only in some settings, in pairs: their costs, and losses on the validation text"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_runs(parser)
    parser.add_argument(
        "--by", required=True, metavar="FIELD,...", help="settings in which the runs differ, such as schedule.kind"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Print losses and costs of runs that differ only in some settings, pair by pair."""
    from analysis.comparing.paired_runs import pairings, read_records
    from analysis.to_json import to_json

    records, dropped = read_records(find_runs(args.runs, args.runs_dir))
    print_dropped(dropped)
    pairs = pairings(records, args.by.split(","))
    if args.json:
        print(json.dumps(to_json(pairs)))
        return 0
    for pair in pairs:
        print(f"{pair.second} (second) against {pair.first} (first), paired by {pair.matched}")
        print_rows([_row(cell) for cell in pair.cells])
        print(
            f"all: {_percent(pair.difference)} of the loss, {pair.n_pairs} pairs of {pair.n_clusters} shapes and "
            f"seeds; {pair.flops_share:.3g} of the FLOPs, {pair.time_share:.3g} of the time\n"
        )
    return 0


def _row(cell: "Cell") -> dict[str, Any]:
    losses = {"L first": cell.loss_first, "L second": cell.loss_second, "difference": _percent(cell.difference)}
    sizes = {"N": cell.n_params, "D": cell.n_tokens}
    if (cell.n_params_second, cell.n_tokens_second) != (cell.n_params, cell.n_tokens):
        sizes |= {"N second": cell.n_params_second, "D second": cell.n_tokens_second}
    return {**sizes, "pairs": cell.n_pairs, **losses}


def _percent(estimate: "Estimate") -> str:
    """Write a difference of ln L in per cent."""
    value = f"{100 * estimate.value:+.2f} %"
    return value if estimate.ci95 is None else "{} [{:+.2f}, {:+.2f}]".format(value, *(100 * x for x in estimate.ci95))
