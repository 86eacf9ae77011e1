"""The verb `sweep design`."""

import json
import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_count, add_json, add_runs_dir, find_runs, flops
from scaling_harness.cli._output import print_rows
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.design.candidates import Sizes
    from analysis.design.runs_so_far import SoFar
    from analysis.design.target import Target
    from analysis.design.wave import Wave

HELP = "choose the runs that tell most about a or N_opt for a number of FLOPs, from the runs so far, and write them"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--flops", type=flops, required=True, metavar="C", help="FLOP to spend, also 12PF-days")
    parser.add_argument("--target", required=True, metavar="a|N_opt@C", help="what is to be known")
    parser.add_argument(
        "--like", required=True, metavar="RUNS", help="the runs so far, such as archive:reproduce-quick: law and noise"
    )
    parser.add_argument("--alone", action="store_true", help="the new runs will be fitted without those of --like")
    parser.add_argument("--tolerance", type=float, metavar="T", help="stop at this half-width of a, or share of N_opt")
    parser.add_argument("--law", default="chinchilla", choices=("chinchilla", "skaling"), help="(default: %(default)s)")
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--band", type=float, default=2.4, metavar="X", help="sizes lie within this factor of the best (%(default)s)"
    )
    limits.add_argument("--sizes", type=int, default=6, metavar="K", help="sizes of a budget (default: %(default)s)")
    limits.add_argument("--seeds", type=int, default=4, metavar="K", help="most seeds of a cell (default: %(default)s)")
    limits.add_argument(
        "--min-tokens", type=float, metavar="D", help="least D, after the transient (default: the least so far)"
    )
    limits.add_argument("--max-tokens", type=float, metavar="D", help="most D (default: the distinct tokens there are)")
    limits.add_argument("--noise", type=float, metavar="SD", help="of ln L between seeds (default: that of --like)")
    add_count(parser)
    parser.add_argument("--write", metavar="NAME", help="write DIR/sweep/NAME.yaml; DIR is --config-dir or conf")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="folder of your own sweeps")
    add_runs_dir(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Design the next wave of runs, unless the runs so far are enough."""
    from analysis.design.runs_so_far import FITTED, cells_with_shapes, runs_so_far
    from analysis.design.target import target_named
    from analysis.runs.from_records import is_sweep, listing_of
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Selection
    from scaling_harness.cli._designed_sweep import sizes_near, write_design

    _check(args)
    target, path = target_named(args.target), find_runs(args.like, args.runs_dir)
    frame = load_runs(path, Selection(count=args.count)).frame
    known = runs_so_far(cells_with_shapes(frame), FITTED[args.law], args.noise)
    if not args.alone and args.tolerance and (now := _now(known, target)) <= args.tolerance:
        _print_enough(args, target, now)
        return 0
    listing = listing_of(path) if is_sweep(path) else None
    wave = _wave(args, target, known, frame, sizes_near(args, listing))
    written = write_design(args, wave, listing, _next_seed(frame)) if args.write else None
    if args.json:
        print(json.dumps(_document(args, wave) | {"sweep_file": written and str(written)}))
        return 0
    _show(args, wave)
    if written:
        where = f"{args.write} --config-dir {shlex.quote(str(written.parents[1]))}"
        print(f"wrote {written}; see it with: scaling-harness sweep plan {where}")
        print(f"train it with: scaling-harness sweep run {where}; then design again with --like {args.write}")
    return 0


def _wave(args: Namespace, target: "Target", known: "SoFar", frame: "pd.DataFrame", near: "Sizes") -> "Wave":
    """Choose among the cells that the limits allow."""
    from analysis.design.candidates import budgets_to_try, candidate_cells
    from analysis.design.wave import Wave

    unique = frame.reindex(columns=["n_unique_tokens"]).dropna().to_numpy(float)
    cells = candidate_cells(
        known,
        budgets_to_try(known.cells, args.flops),
        near,
        band=args.band,
        n_sizes=args.sizes,
        seeds=args.seeds,
        tokens=(
            args.min_tokens or float(known.cells["D"].to_numpy(float).min()),
            args.max_tokens or float(unique.min(initial=float("inf"))),
        ),
        alone=args.alone,
    )
    return Wave.of(known, target, cells, args.flops)


def _next_seed(frame: "pd.DataFrame") -> int:
    seeds = frame.reindex(columns=["seed"]).dropna().to_numpy(float)
    return int(seeds.max(initial=-1.0)) + 1


def _check(args: Namespace) -> None:
    """Refuse limits that leave no wave."""
    from analysis.frontier.approach2_isoflop import MIN_SIZES

    wrong = {
        f"--flops {args.flops:g}: give a budget above 0": not args.flops > 0,
        f"--band {args.band:g}: sizes lie within a factor of the best, give one above 1": not args.band > 1,
        f"--sizes {args.sizes}: a budget needs {MIN_SIZES} sizes or more for its parabola": args.sizes < MIN_SIZES,
        f"--seeds {args.seeds}: give 1 or more": args.seeds < 1,
        "--tolerance: give a half-width above 0": args.tolerance is not None and not args.tolerance > 0,
        "--noise: give a standard deviation above 0": args.noise is not None and not args.noise > 0,
    }
    if sentence := next((words for words, is_wrong in wrong.items() if is_wrong), None):
        raise UserError(sentence)


def _now(known: "SoFar", target: "Target") -> float:
    from analysis.design.precision import Outlook

    return Outlook.of(known, target, known.cells).expected(known.cells["n_seeds"].to_numpy(float)).total


def _print_enough(args: Namespace, target: "Target", now: float) -> None:
    if args.json:
        print(json.dumps({"target": str(target), "enough": True, "now": now, "tolerance": args.tolerance}))
        return
    print(
        f"{target}: ± {target.words(now)} with the runs so far, within the tolerance of "
        f"{target.words(args.tolerance)}: stop, no further run is needed"
    )


def _document(args: Namespace, wave: "Wave") -> dict[str, Any]:
    """As JSON."""
    from analysis.to_json import to_json

    names = ["budget", "N", "D", "n_layer", "d_model", "so_far", "added"]
    cells = [{name: _value(cell[name]) for name in names} for _, cell in wave.table().iterrows()]
    totals = {"target": str(wave.target), "enough": False, "train_flops": wave.train_flops}
    return to_json({**totals, "tolerance": args.tolerance, "expected": wave.expectations, "cells": cells})


def _value(cell: Any) -> float | None:
    """A number; None for the layers and the width of a size that has none."""
    return float(cell) if cell == cell else None


def _show(args: Namespace, wave: "Wave") -> None:
    """The cells by budget, what is expected of them and of plain grids, and whether that is enough."""
    target, given = wave.target, wave.outlook
    print(
        f"{wave.n_runs} runs, {wave.train_flops:.3g} FLOP of {args.flops:.3g}; noise of a seed {given.noise:.2%} of "
        f"the loss, scatter of a cell that its seeds share {given.scatter:.2%}"
    )
    print_rows(wave.budget_rows())
    print()
    rows = [
        {
            "grid": name,
            "FLOPs": f"{each.train_flops:.3g}",
            f"± of {target}": target.words(each.expected.total),
            "by noise alone": target.words(each.expected.half_width),
            "error if the law is": ", ".join(
                f"{form} {error:+.3f}" for form, error in each.expected.form_errors.items()
            ),
        }
        for name, each in wave.expectations.items()
    ]
    print_rows(rows)
    if args.tolerance:
        enough = wave.total <= args.tolerance
        words = "should be met after this wave" if enough else "will not be met yet: plan again after this wave"
        print(f"tolerance {target.words(args.tolerance)}: {words}")
