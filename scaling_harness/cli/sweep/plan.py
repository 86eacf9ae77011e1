"""The verb `sweep plan`."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json, add_planned_sweep, composed, planned
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from scaling_harness.config.schema import RuntimeConfig

_CARD, _UTILISATION = "H100", 0.4

HELP = "print every run with its size, steps, cost and state, without writing anything"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_planned_sweep(parser)
    parser.add_argument(
        "--without-text", action="store_true", help="cost a sweep whose text is not here, as if there were enough of it"
    )
    parser.add_argument(
        "--card", metavar="NAME", help="cost a sweep on such GPUs, in GPU hours and with runtime=cuda (then: H100)"
    )
    parser.add_argument(
        "--utilisation", type=float, metavar="X", help="share of the card's peak that training reaches (default: 0.4)"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what a sweep would train, and what it costs."""
    from sweeps.planning.plan_table import print_plan
    from sweeps.status.planned_cost import planned_cost

    on_card = args.card is not None or args.utilisation is not None
    manifest, store = planned(args, args.name, *(_for_gpus(args) if on_card else ()), trained_here=not on_card)
    gpu = _gpu(args, manifest.runtime)
    rows, totals = planned_cost(manifest, store, gpu["flops_per_s"] if gpu else None)
    if gpu:
        totals["gpu"] = gpu | {"hours_left": manifest.launcher.gpus_per_run * totals["run_s_left"] / 3600}
    if args.json:
        document = {"name": manifest.name, "question": manifest.question, "totals": totals, "runs": rows}
        print(json.dumps(document | {"feeds": _feeds(rows)}))
    else:
        print(manifest.question)
        print_plan(rows, totals)
        print(*(f"{name}: {words}" for name, words in _feeds(rows).items()), sep="\n")
    return 0


def _for_gpus(args: Namespace) -> list[str]:
    """Overrides with which memory and stacks are those of a GPU, if the runtime of the sweep is for a CPU."""
    device = composed(args, f"sweep={args.name}")["runtime"]["device"]
    return [] if str(device).startswith("cuda") else ["runtime=cuda"]


def _gpu(args: Namespace, runtime: "RuntimeConfig") -> dict[str, Any] | None:
    """Card, share of its peak and rate; None for a sweep that is to be costed on a CPU."""
    from sweeps.bench.card_peaks import PEAKS, peak_flops_per_s

    if args.card is None and args.utilisation is None and not runtime.device.startswith("cuda"):
        return None
    card, share = args.card or _CARD, _UTILISATION if args.utilisation is None else args.utilisation
    peak = peak_flops_per_s(card, "bfloat16")
    if peak is None:
        raise UserError(f"the peak of a card {card!r} is not known: give --card one of {', '.join(PEAKS)}")
    if not 0 < share <= 1:
        raise UserError(f"--utilisation is {share:g}: give a share of the peak above 0 and at most 1")
    return {"card": card, "utilisation": share, "flops_per_s": peak * share}


def _feeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Which approaches the runs can feed; a trunk is no run of the grid."""
    import pandas as pd

    from analysis.frontier.design import feeds

    trunks = {row["trunk"] for row in rows}
    columns = {"n_params_with_head": "N", "n_tokens": "D", "train_flops": "C", "seed": "seed"}
    grid = [{letter: row[name] for name, letter in columns.items()} for row in rows if row["run_id"] not in trunks]
    return feeds(pd.DataFrame(grid))
