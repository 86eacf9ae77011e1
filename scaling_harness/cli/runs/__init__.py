"""The verb `runs`: archives of sweeps, for another machine or the repository; one file for each action."""

import importlib
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_verbs

HELP = "write records and curves of a sweep to one small file, or merge such files"
ACTIONS = {
    "export": "scaling_harness.cli.runs.export",
    "merge": "scaling_harness.cli.runs.merge",
}


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions."""
    add_verbs(parser, ACTIONS, "action")


def run(args: Namespace) -> int:
    """Run an action."""
    return importlib.import_module(ACTIONS[args.action]).run(args)
