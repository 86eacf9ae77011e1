"""The verb `bench waves`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, flops
from scaling_harness.cli._output import print_rows
from scaling_harness.errors import UserError

HELP = "replay designs wave by wave on runs that were trained, or on simulated ones, beside plain grids of equal FLOPs"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--like", required=True, metavar="RUNS", help="a trained sweep or archive of several budgets")
    parser.add_argument("--target", default="a", metavar="a|N_opt@C", help="what is to be known (default: %(default)s)")
    parser.add_argument("--flops", type=flops, required=True, metavar="C", help="FLOP of each wave")
    parser.add_argument("--waves", type=int, default=4, metavar="K", help="(default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=0.0, metavar="T", help="stop at this half-width")
    parser.add_argument(
        "--simulate", type=int, metavar="K", help="K sweeps from each law of --like in place of its own losses"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what each rule knows after every wave."""
    from analysis.design.replay import Task, full_pool, simulated, trained
    from analysis.design.runs_so_far import runs_so_far
    from analysis.design.target import target_named
    from analysis.runs.budgets import budget_groups
    from analysis.runs.load import load_runs
    from analysis.runs.replicates import design_cells
    from scaling_harness.record.archive import locate

    if args.waves < 1 or (args.simulate is not None and args.simulate < 1):
        raise UserError("--waves and --simulate are numbers of waves and of sweeps: give 1 or more")
    task = Task(target_named(args.target), args.flops, args.waves, tolerance=args.tolerance)
    frame = load_runs(locate(args.like)).frame
    if args.simulate:
        known = runs_so_far(design_cells(frame))
        budgets = [float(frame["C"].iloc[rows].mean()) for rows in budget_groups(frame["C"].to_numpy(float))]
        table = simulated(full_pool(known.truths[0], budgets), known, task, args.simulate)
    else:
        table = trained(frame, task)
    rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    if args.json:
        print(json.dumps(rows))
    else:
        print_rows(rows)
    return 0
