"""The verb `sweep cancel`."""

from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_started_sweep

HELP = "make every worker save its runs and exit"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_started_sweep(parser)


def run(args: Namespace) -> int:
    """Make every worker save its runs and exit; `sweep run` resumes them."""
    from scaling_harness.record.store import Store
    from sweeps.launchers.control import cancel
    from sweeps.planning.planned_sweep import read_planned_sweep

    store = Store(args.runs_dir)
    print(cancel(read_planned_sweep(store.sweep_dir(args.name)), store))
    return 0
