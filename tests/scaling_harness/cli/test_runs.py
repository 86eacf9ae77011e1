"""`runs export` and `runs merge`, and the verbs that read what they write."""

import json

import pytest

from scaling_harness.cli import main
from scaling_harness.record.archive import SUFFIX


@pytest.fixture
def trained(tiny, monkeypatch, tmp_path, capsys):
    """A run trained and a sweep that lists it and another, in `runs` of the working directory."""
    monkeypatch.chdir(tmp_path)
    grids = "sweep.grids=[{shapes: [[1,16]], budgets: {n_tokens: [320, 640]}, seeds: [0]}]"
    assert main(["sweep", "run", "transfer", *tiny, "sweep.name=mine", grids]) == 0
    capsys.readouterr()


def test_a_sweep_goes_through_an_archive_into_another_store(trained, capsys):
    assert main(["runs", "export", "mine", "-o", f"mine{SUFFIX}", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"path": f"mine{SUFFIX}", "sweeps": ["mine"], "n_runs": 2, "status": {"completed": 2}}
    assert main(["runs", "merge", f"mine{SUFFIX}", "--runs-dir", "elsewhere"]) == 0
    assert capsys.readouterr().out == "elsewhere: 2 runs of mine (2 completed)\nadded: 2 of them\n"
    assert main(["table", "mine", "--runs-dir", "elsewhere", "--json"]) == 0
    merged = json.loads(capsys.readouterr().out)
    assert main(["table", f"mine{SUFFIX}", "--json"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [(row["run_id"], row["L"]) for row in read] == [(row["run_id"], row["L"]) for row in merged]
    assert main(["sweep", "status", "mine", "runtime.runs_dir=elsewhere"]) == 2
    assert "came from an archive" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["runs", "export", "nowhere", "-o", f"x{SUFFIX}"], "sweep.json does not exist"),
        (["runs", "merge", f"nowhere{SUFFIX}", "-o", f"x{SUFFIX}"], "does not exist"),
        (["table", "archive:nowhere"], "there is no archive 'nowhere'"),
    ],
)
def test_what_is_not_there_is_a_sentence(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["export", "mine"], ["merge", "a"], ["merge", "a", "-o", "b", "--runs-dir", "c"], ["export", "--merge"]],
)
def test_options_of_the_other_action_are_errors(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["runs", *arguments])
    assert "error:" in capsys.readouterr().err


def test_an_archive_is_named_as_one(capsys):
    assert main(["runs", "export", "mine", "-o", "mine.zip"]) == 2
    assert f"-o mine.zip{SUFFIX}" in capsys.readouterr().err
