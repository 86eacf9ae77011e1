"""The verb `pairs`. Every import that costs time stands inside the verb that needs it."""

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli.verbs import find_runs, print_rows, say_dropped

if TYPE_CHECKING:
    from analysis.comparing.paired_runs import Cell
    from analysis.fitting.estimate import Estimate


def pairs(options: Namespace) -> int:
    """Losses and cost of runs that differ in some settings alone, pair by pair."""
    from analysis.comparing.paired_runs import pairings, read_records
    from analysis.to_json import to_json

    records, dropped = read_records(find_runs(options))
    say_dropped(dropped)
    found = pairings(records, options.by.split(","))
    if options.json:
        print(json.dumps(to_json(found)))
        return 0
    for one in found:
        print(f"{one.second} (second) against {one.first} (first)")
        print_rows(options, None, [_row(cell) for cell in one.cells])
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
