"""The command line: one file for each verb. It is the only room that may import all three packages.

A verb's module has `HELP`, `add_options(parser)` and `run(args)`. Modules that import slowly are imported inside `run`.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scaling_harness.cli._options import Parser, Version, add_verbs, parse
from scaling_harness.errors import HarnessError, UserError

VERBS = {
    "data": "scaling_harness.cli.data",
    "train": "scaling_harness.cli.train",
    "sweep": "scaling_harness.cli.sweep",
    "table": "scaling_harness.cli.table",
    "tune": "scaling_harness.cli.tune",
    "rule": "scaling_harness.cli.rule",
    "pairs": "scaling_harness.cli.pairs",
    "transfer": "scaling_harness.cli.transfer",
    "fit": "scaling_harness.cli.fit",
    "forecast": "scaling_harness.cli.forecast",
    "compare": "scaling_harness.cli.compare",
    "explore": "scaling_harness.cli.explore",
    "bench": "scaling_harness.cli.bench",
    "report": "scaling_harness.cli.report",
    "runs": "scaling_harness.cli.runs",
    "reproduce": "scaling_harness.cli.reproduce",
}
"""Each verb and its module, in the order of `--help`."""


def build_parser() -> Parser:
    """Build the command line from `VERBS`."""
    root = Parser(prog="scaling-harness", description="Train ladders of small transformers, fit scaling laws to them.")
    root.add_argument("--version", action=Version)
    add_verbs(root, VERBS, "verb")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; by default that of this process, which then also imports from
        the working directory, so that `model.target=my_model:mixer` finds the user's file.

    Returns
    -------
    int
        0 success; 1 a run or a fit failed; 2 bad arguments, configuration or data; 130 interrupted.
    """
    if arguments is None:
        _import_from_working_directory()
    args = parse(build_parser(), arguments)
    try:
        return importlib.import_module(VERBS[args.verb]).run(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except HarnessError as error:
        print(f"failed: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _import_from_working_directory() -> None:
    """Move the working directory to the end of the import path: `python -m` puts it first, the console script nowhere.

    So a folder there that is called `analysis` or `numpy` hides no installed package. A checkout that is not installed
    stays where it is: all three packages come from there.
    """
    here = os.getcwd()
    if Path(__file__).resolve().parents[2] != Path(here).resolve():
        sys.path[:] = [*(entry for entry in sys.path if entry not in ("", here)), here]
