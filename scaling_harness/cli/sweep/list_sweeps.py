"""The verb `sweep list`."""

import dataclasses
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json, add_runs_dir
from scaling_harness.cli._output import print_document

HELP = "list the sweeps that can be run, what each is for, and how many of its runs are done"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="folder of your own sweeps, sweep/NAME.yaml")
    add_runs_dir(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Print every sweep that comes with the package, and those of the user's folder."""
    from scaling_harness.record.store import Store
    from sweeps.status.known_sweeps import known_sweeps

    found = known_sweeps(Store(args.runs_dir), args.config_dir)
    rows = [
        {
            "name": sweep.name,
            "runs": sweep.n_runs or "",
            "FLOPs": f"{sweep.train_flops:.2e}" if sweep.train_flops else "",
            "in the store": sweep.state,
            "question": sweep.question,
        }
        for sweep in found
    ]
    print_document(args.json, [dataclasses.asdict(sweep) for sweep in found], rows)
    return 0
