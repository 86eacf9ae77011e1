"""Verbs called in process."""

import pytest

from scaling_harness.cli import main
from tests.analysis.simulated_table import COLUMNS, write_table


@pytest.fixture
def call():
    """Call the command line; its exit code, also where the parser leaves."""

    def run(*arguments: object) -> int:
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            return int(leaving.code or 0)

    return run


@pytest.fixture
def attempt(call, capsys, monkeypatch, tmp_path):
    """Call it in an empty directory; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        return call(*arguments), *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """A directory with two tables and a saved fit of each."""
    folder = tmp_path_factory.mktemp("desk")
    for name, seed in (("one", 0), ("two", 1)):
        table = write_table(folder / f"{name}.csv", seed)
        command = ["fit", str(table), *COLUMNS, "--count", "total", "--resamples", "50"]
        assert main([*command, "--out", str(folder / f"{name}.json"), "--json"]) == 0
    return folder


@pytest.fixture
def saved(desk, attempt, monkeypatch):
    monkeypatch.chdir(desk)
    return "one.json", "two.json"
