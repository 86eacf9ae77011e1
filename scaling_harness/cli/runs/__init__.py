"""The verb `runs`: archives of sweeps and offline runs of wandb; one file for each action."""

import importlib
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_verbs

HELP = "write records and curves of a sweep to one small file, merge such files, or read runs that wandb wrote"
ACTIONS = {
    "export": "scaling_harness.cli.runs.export",
    "merge": "scaling_harness.cli.runs.merge",
    "from-wandb": "scaling_harness.cli.runs.from_wandb",
}


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions."""
    add_verbs(parser, ACTIONS, "action")


def run(args: Namespace) -> int:
    """Run an action."""
    return importlib.import_module(ACTIONS[args.action]).run(args)
