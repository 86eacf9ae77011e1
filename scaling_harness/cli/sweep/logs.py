"""The verb `sweep logs`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, add_started_sweep, add_words
from scaling_harness.errors import UserError

HELP = "show the attempts of a run and the last lines of its output, or the last line of every worker"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_started_sweep(parser)
    add_words(parser, "names", metavar="RUN", help="part of a run's name")
    add_json(parser)


def run(args: Namespace) -> int:
    """Print the attempts and the output of runs, or of the workers."""
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import LOGS
    from sweeps.planning.planned_sweep import read_planned_sweep
    from sweeps.status.logs import find_run, log_files, output, print_output
    from sweeps.status.run_status import status

    if wrong := [name for name in args.names if "=" in name]:
        raise UserError(f"{wrong[0]} is not part of a run's name: give the folder of runs with --runs-dir")
    store = Store(args.runs_dir)
    sweep_dir = store.sweep_dir(args.name)
    rows = status(read_planned_sweep(sweep_dir).jobs, store)
    documents = [output(find_run(rows, name), store) for name in args.names] or [{"files": log_files(sweep_dir / LOGS)}]
    if args.json:
        print(json.dumps(documents if args.names else documents[0]))
    else:
        print_output(documents)
    return 0
