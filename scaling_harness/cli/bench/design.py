"""The verb `bench design`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, add_planned_sweep, planned
from scaling_harness.cli._output import print_rows
from scaling_harness.errors import UserError

HELP = "calculate the half-widths that a planned sweep will give its exponents, from a trained one"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_planned_sweep(parser)
    parser.add_argument("--like", required=True, metavar="RUNS", help="a trained sweep or archive: its laws and noise")
    parser.add_argument("--noise", type=float, metavar="SD", help="of ln L between seeds (default: that of --like)")
    parser.add_argument("--share", type=float, metavar="P", help="of it, what branches of one trunk share")
    parser.add_argument("--no-misfit", action="store_true", help="assume the laws exact: leave out what --like misses")
    parser.add_argument("--resamples", type=int, default=500, metavar="K", help="(default: %(default)s)")
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what each law leads to expect of the exponents of a planned sweep."""
    from analysis.design.half_widths import earlier_runs, grid_of, predict_half_widths
    from analysis.runs.load import load_runs
    from analysis.to_json import to_json
    from scaling_harness.record.archive import locate
    from sweeps.status.planned_cost import planned_cost

    manifest, store = planned(args, args.name)
    rows, totals = planned_cost(manifest, store)
    grid = grid_of(rows)
    earlier = earlier_runs(load_runs(locate(args.like)))
    noise, share = args.noise or earlier.noise, earlier.share if args.share is None else args.share
    if noise is None:
        raise UserError(f"{args.like} has no (N, D) with two seeds, so that its noise is unknown: give --noise")
    misfits = [None] * len(earlier.laws) if args.no_misfit else earlier.misfits
    found = [
        predict_half_widths(grid, truth, noise, share, args.resamples, misfit)
        for truth, misfit in zip(earlier.laws, misfits, strict=True)
    ]
    if args.json:
        print(json.dumps(to_json({"noise": noise, "share": share, "totals": totals, "predicted": found})))
        return 0
    cells = grid.groupby(["N", "D"]).ngroups
    size = f"{len(grid)} runs, {cells} cells, {grid.N.nunique()} sizes, {totals['train_flops']:.3g} FLOPs"
    print(f"{size}; noise of a seed {noise:.2%} of the loss, {share:.0%} of its variance common to a trunk")
    print_rows([each.row() for each in found])
    return 0
