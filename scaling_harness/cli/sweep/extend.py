"""The verb `sweep extend`."""

from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, add_planned_sweep, planned
from scaling_harness.cli._output import print_document

HELP = "add runs to a sweep that was started"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_planned_sweep(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Add the runs that are in the configuration but not yet in the sweep."""
    from sweeps.launchers.launch import extend

    manifest, store = planned(args, args.name)
    n_added, n_runs = extend(manifest, store)
    rows = [{"name": manifest.name, "n_added": n_added, "n_runs": n_runs}]
    print_document(args.json, rows, rows)
    return 0
