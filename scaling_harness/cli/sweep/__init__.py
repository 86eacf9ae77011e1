"""The verb `sweep`: one file for each action."""

import importlib
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_verbs

HELP = "list, design, plan, run, inspect, extend, retry, cancel or clean a sweep of conf/sweep"
ACTIONS = {
    "list": "scaling_harness.cli.sweep.list_sweeps",
    "plan": "scaling_harness.cli.sweep.plan",
    "run": "scaling_harness.cli.sweep.run_sweep",
    "status": "scaling_harness.cli.sweep.status",
    "logs": "scaling_harness.cli.sweep.logs",
    "retry": "scaling_harness.cli.sweep.retry",
    "cancel": "scaling_harness.cli.sweep.cancel",
    "extend": "scaling_harness.cli.sweep.extend",
    "clean": "scaling_harness.cli.sweep.clean",
    "mirror": "scaling_harness.cli.sweep.mirror",
    "probe": "scaling_harness.cli.sweep.probe",
    "design": "scaling_harness.cli.sweep.design",
}


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions."""
    add_verbs(parser, ACTIONS, "action")


def run(args: Namespace) -> int:
    """Run an action."""
    return importlib.import_module(ACTIONS[args.action]).run(args)
