"""Verbs called in process."""

import pytest

from scaling_harness.cli import main


@pytest.fixture
def call():
    """Call the command line; its exit code, also where the parser leaves."""

    def run(*arguments: object) -> int:
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            return int(leaving.code or 0)

    return run
