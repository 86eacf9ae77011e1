"""The verb `transfer`."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_columns, add_json, add_runs, find_runs
from scaling_harness.cli._output import print_document, print_dropped
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from analysis.fitting.estimate import Estimate
    from analysis.hyperparameters.lr_transfer import Transfer

HELP = "measure what the best learning rate of the smallest width costs at larger widths"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_runs(parser, "a sweep (name or folder), or a table with columns d_model, lr and seed")
    add_columns(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what the best learning rate of the smallest width of a sweep costs at the others."""
    from analysis.hyperparameters.lr_transfer import transfers
    from analysis.hyperparameters.optima import numbers_in
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Selection
    from analysis.to_json import to_json

    path = find_runs(args.runs, args.runs_dir)
    runs = load_runs(path, Selection(may_differ=("optim.lr",), split="valid"), columns=args.columns)
    if missing := {"D", "d_model", "lr", "seed"} - set(runs.frame):
        named = ",".join(f"{name}=..." for name in sorted(missing))
        raise UserError(f"{path} has no {', '.join(sorted(missing))}: name them with --columns {named}")
    print_dropped(runs.dropped)
    frame = runs.frame.assign(n_tokens=runs.frame["D"].astype(int), **numbers_in(runs.frame, ("d_model", "lr")))
    costs = transfers(frame.astype({"d_model": int}))
    print_document(args.json, to_json(costs), [_row(cost) for cost in costs])
    return 0


def _row(cost: "Transfer") -> dict[str, Any]:
    row = {"width": cost.d_model, "D": cost.n_tokens, "seeds": cost.n_seeds}
    row |= {"lr of the smallest": cost.lr_smallest, "L": cost.loss_smallest}
    row |= {"lr of this width": cost.lr_own, "its L": cost.loss_own}
    return row | {"regret": _percent(cost.regret) if cost.regret else "unknown", "": cost.problem}


def _percent(estimate: "Estimate") -> str:
    low, high = estimate.ci95 or (estimate.value, estimate.value)
    return "{:.2g} % [{:.2g} %, {:.2g} %]".format(*(100 * x for x in (estimate.value, low, high)))
