"""The verb `sweep status`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, add_started_sweep

HELP = "show which runs are training, finished, waiting or failed, and why"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_started_sweep(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--watch", action="store_true", help="update until every run is finished")
    add_json(how)


def run(args: Namespace) -> int:
    """Print the status of the runs of a sweep."""
    from scaling_harness.record.provenance import now
    from scaling_harness.record.store import Store
    from sweeps.planning.planned_sweep import read_planned_sweep
    from sweeps.status.overview import print_status, totals, watch
    from sweeps.status.run_status import status

    store = Store(args.runs_dir)
    listing = read_planned_sweep(store.sweep_dir(args.name))
    if args.watch:
        watch(listing, store)
        return 0
    rows = status(listing.jobs, store)
    if args.json:
        sums = totals(listing, rows, now())
        print(json.dumps({"name": listing.name, "totals": sums, "runs": [vars(row) for row in rows]}))
    else:
        print_status(listing, rows)
    return 0
