"""The verb `bench`: one file for each action."""

import importlib
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_verbs

HELP = "measure the fitter, training, the time to a law, the overhead of sweeps, tokenising, or a planned grid"
ACTIONS = {
    "fit": "scaling_harness.cli.bench.fit",
    "coverage": "scaling_harness.cli.bench.coverage",
    "discrepancy": "scaling_harness.cli.bench.discrepancy",
    "design": "scaling_harness.cli.bench.design",
    "waves": "scaling_harness.cli.bench.waves",
    "truth": "scaling_harness.cli.bench.truth",
    "sweep": "scaling_harness.cli.bench.sweep",
    "train": "scaling_harness.cli.bench.train",
    "data": "scaling_harness.cli.bench.data",
    "law": "scaling_harness.cli.bench.law",
}


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions."""
    add_verbs(parser, ACTIONS, "action")


def run(args: Namespace) -> int:
    """Run an action."""
    return importlib.import_module(ACTIONS[args.action]).run(args)
