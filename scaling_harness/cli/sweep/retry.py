"""The verb `sweep retry`."""

from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_mix_versions, add_started_sweep
from scaling_harness.errors import UserError

HELP = "train failed runs once more"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_started_sweep(parser)
    parser.add_argument("--failed", action="store_true", help="retry the failed runs")
    add_mix_versions(parser)


def run(args: Namespace) -> int:
    """Reset failed runs and launch the sweep again."""
    from scaling_harness.record.store import Store
    from sweeps.launchers.launch import retry_failed

    if not args.failed:
        raise UserError("say what to retry: `scaling-harness sweep retry NAME --failed`")
    return retry_failed(args.name, Store(args.runs_dir), args.mix_versions)
