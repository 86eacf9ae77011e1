"""The verb `data`: one file for each action."""

import importlib
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_verbs

HELP = "tokenise a corpus, count its statistics, list corpora, get a public table of runs"
ACTIONS = {
    "prepare": "scaling_harness.cli.data.prepare",
    "statistics": "scaling_harness.cli.data.statistics",
    "list": "scaling_harness.cli.data.list_data",
    "get": "scaling_harness.cli.data.get",
}


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions."""
    add_verbs(parser, ACTIONS, "action")


def run(args: Namespace) -> int:
    """Run an action."""
    return importlib.import_module(ACTIONS[args.action]).run(args)
