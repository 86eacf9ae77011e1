"""Command-line arguments and error handling that the processes of a sweep share."""

import argparse
import dataclasses
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from scaling_harness.config.compose import validate
from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.execution.execute import TRAINER

P = ParamSpec("P")


def entry_point(main: Callable[P, int]) -> Callable[P, int]:
    """Turn a `HarnessError` into the exit code of a process, with its message on stderr.

    Parameters
    ----------
    main : callable
        Main function that returns the exit code.

    Returns
    -------
    callable
        The same function, which no longer raises `HarnessError`.
    """

    @functools.wraps(main)
    def checked(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except HarnessError as error:
            print(error, file=sys.stderr)
            return error.exit_code

    return checked


def parser_of(module: str, does: str) -> argparse.ArgumentParser:
    """Make the parser of a process that reads a folder with a manifest.

    Parameters
    ----------
    module : str
        Module that `python -m` starts.
    does : str
        Description for `--help`.

    Returns
    -------
    argparse.ArgumentParser
        Parser of `folder`, `runtime` (None unless given) and `train`.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=does)
    parser.add_argument("folder", type=Path, help="folder with the list of runs, sweep.json")
    parser.add_argument("--runtime", type=_runtime, help="runtime settings as JSON, in place of those in sweep.json")
    parser.add_argument("--train", default=TRAINER, metavar="MODULE:FUNCTION", help="training function")
    return parser


def arguments_of(folder: Path, runtime: RuntimeConfig, train: str) -> list[str]:
    """Write the arguments that `parser_of` reads."""
    return [str(folder), "--runtime", json.dumps(dataclasses.asdict(runtime)), "--train", train]


def _runtime(text: str) -> RuntimeConfig:
    return validate(RuntimeConfig, json.loads(text))
