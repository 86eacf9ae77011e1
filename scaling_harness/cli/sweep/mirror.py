"""The verb `sweep mirror`."""

from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, add_started_sweep
from scaling_harness.cli._output import print_document

HELP = "copy finished runs to wandb"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_started_sweep(parser)
    parser.add_argument(
        "--mode", choices=("offline", "online"), default="offline", help="mode of wandb (default: %(default)s)"
    )
    parser.add_argument("--project", metavar="P", help="project in wandb (default: wandb.project of the sweep)")
    add_json(parser)


def run(args: Namespace) -> int:
    """Copy the finished runs of a sweep that have not been copied yet."""
    from scaling_harness.config.schema import WandbConfig
    from scaling_harness.record.store import Store
    from scaling_harness.wandb_mirror import mirror
    from sweeps.planning.manifest import read_planned_sweep

    store = Store(args.runs_dir)
    listing = read_planned_sweep(store.sweep_dir(args.name))
    runs = [run.run_id for job in listing.jobs for run in job.runs]
    copied = mirror(runs, store, WandbConfig(args.mode, args.project or listing.wandb.project), args.name)
    rows = [{"name": args.name, "copied": copied, "finished": sum(map(store.is_finished, runs)), "runs": len(runs)}]
    print_document(args.json, rows, rows)
    return 0
