"""The verb `bench`: one file an action."""

import importlib
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_verbs

HELP = "measure the fitter, training, the way to a law, or sweeps of no-op runs"
ACTIONS = {
    "fit": "scaling_harness.cli.bench.fit",
    "coverage": "scaling_harness.cli.bench.coverage",
    "sweep": "scaling_harness.cli.bench.sweep",
    "train": "scaling_harness.cli.bench.train",
    "law": "scaling_harness.cli.bench.law",
}


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions."""
    add_verbs(parser, ACTIONS, "action")


def run(args: Namespace) -> int:
    """Run an action."""
    return importlib.import_module(ACTIONS[args.action]).run(args)
