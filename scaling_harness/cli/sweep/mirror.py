"""The verb `sweep mirror`."""

import dataclasses
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from scaling_harness.cli._options import add_json, add_started_sweep
from scaling_harness.cli._output import print_document

if TYPE_CHECKING:
    from scaling_harness.config.schema import WandbConfig
    from scaling_harness.record.store import Store

HELP = "copy finished runs to wandb, or runs while they train"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_started_sweep(parser)
    parser.add_argument(
        "--mode", choices=("offline", "online"), default="offline", help="mode of wandb (default: %(default)s)"
    )
    parser.add_argument("--project", metavar="P", help="project in wandb (default: wandb.project of the sweep)")
    parser.add_argument("--entity", metavar="E", help="user or team (default: wandb.entity of the sweep)")
    parser.add_argument("--group", metavar="G", help="group (default: wandb.group of the sweep, or its name)")
    parser.add_argument("--tags", metavar="A,B", help="tags beside the run's status (default: wandb.tags of the sweep)")
    parser.add_argument("--live", action="store_true", help="stay, and send runs while others train them")
    add_json(parser)


def run(args: Namespace) -> int:
    """Copy the runs of a sweep that have not been copied yet."""
    from scaling_harness.config.compose import validate
    from scaling_harness.config.schema import WandbConfig
    from scaling_harness.errors import HarnessError, UserError
    from scaling_harness.record.store import Store
    from scaling_harness.record.sweep_listing import read_listing
    from scaling_harness.wandb_mirror.copying import missing_key
    from scaling_harness.wandb_mirror.finished import mirror

    store = Store(args.runs_dir)
    listing = read_listing(store.sweep_dir(args.name))
    runs = [run.run_id for run in listing.runs]
    given = {name: getattr(args, name) for name in ("project", "entity", "group") if getattr(args, name)}
    if args.tags:
        given["tags"] = tuple(filter(None, args.tags.split(",")))
    planned = validate(WandbConfig, (listing.launch or {}).get("wandb", {}), prefix="wandb")
    config = dataclasses.replace(planned, mode=args.mode, **given)
    if problem := missing_key(config):
        raise UserError(problem)
    if args.live:
        _follow(args.name, store, config)
    done = mirror(runs, store, config, args.name)
    rows = [
        {"name": args.name, "copied": done.copied, "finished": sum(map(store.is_finished, runs)), "runs": len(runs)}
    ]
    print_document(args.json, rows, rows)
    if done.refused:
        raise HarnessError(f"{done.refused} runs were not copied: {done.reason}; the same command tries them again")
    return 0


def _follow(name: str, store: "Store", config: "WandbConfig") -> None:
    """Send runs until all have ended, or until an interrupt."""
    from scaling_harness.execution.signals import stop_on_signals
    from scaling_harness.wandb_mirror.described import describe_plan
    from scaling_harness.wandb_mirror.finished import to_copy
    from scaling_harness.wandb_mirror.follow import follow
    from sweeps.planning.manifest import read_manifest

    plans = read_manifest(store.sweep_dir(name)).runs
    left = set(to_copy((plan.run_id for plan in plans), store, config))
    with stop_on_signals() as stop:
        follow([describe_plan(plan) for plan in plans if plan.run_id in left], store, config, name, stop)
