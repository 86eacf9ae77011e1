"""`runs export`, `runs merge` and `runs from-wandb`, and the verbs that read what they write."""

import json
import shutil
from pathlib import Path

import pytest

from scaling_harness.cli import main
from scaling_harness.record.archive import SUFFIX, locate, read_archive


@pytest.fixture
def store(monkeypatch, tmp_path, capsys):
    """The runs of a committed archive as folders, in `runs` of the working directory."""
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "merge", "archive:reproduce-mini", "--runs-dir", "runs"]) == 0
    said = capsys.readouterr().out
    assert said == "runs: 32 runs of reproduce-mini (32 completed), 32 of them new here\n"


def test_a_sweep_goes_from_a_store_into_an_archive(store, capsys):
    (missing,) = Path("runs/store").glob("mup-l1-d8-D142k-s0-*")
    shutil.rmtree(missing)
    assert main(["runs", "export", "reproduce-mini", "-o", f"mini{SUFFIX}", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["status"] == {"completed": 31, "not finished": 1}
    assert main(["table", f"mini{SUFFIX}", "--json"]) == 0
    read = capsys.readouterr()
    assert read.err == f"left out: {missing.name}: not finished\n"
    assert main(["table", "reproduce-mini", "--json"]) == 0
    whole = capsys.readouterr()
    assert [without_path(row) for row in json.loads(read.out)] == [without_path(row) for row in json.loads(whole.out)]
    assert main(["runs", "merge", f"mini{SUFFIX}", "archive:reproduce-mini", "-o", f"joined{SUFFIX}"]) == 0
    assert read_archive(Path(f"joined{SUFFIX}")) == read_archive(locate("archive:reproduce-mini"))


def without_path(row):
    return {key: value for key, value in row.items() if key != "curve_path"}


def test_a_sweep_that_came_from_an_archive_says_how_to_go_on(store, capsys):
    assert main(["sweep", "status", "reproduce-mini"]) == 2
    assert "delete it and start the sweep again" in capsys.readouterr().err


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


def test_runs_of_wandb_become_a_table_that_fit_reads(monkeypatch, tmp_path, capsys):
    runs = [
        {
            "id": f"{n}-{d}",
            "name": f"{n:g}-{d:g}",
            "state": "finished",
            "config": {"n_params_with_head": n, "n_tokens": d},
            "summary": {"loss_nats": 1 + 40 * n**-0.4 + 90 * d**-0.4},
        }
        for n in (1e4, 3e4, 1e5, 3e5)
        for d in (1e6, 1e7, 1e8)
    ]
    read = "scaling_harness.wandb_mirror.offline_files.read_offline_runs"
    monkeypatch.setattr(read, lambda _: [*runs, {**runs[0], "id": "cut", "name": "cut", "state": "running"}])
    path = tmp_path / "runs.jsonl"
    assert main(["runs", "from-wandb", "wandb", "-o", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"runs": 13, "finished": 12, "path": str(path)}]
    assert main(["table", str(path), "--json"]) == 0
    said = capsys.readouterr()
    assert [row["L"] for row in json.loads(said.out)] == [round(run["summary"]["loss_nats"], 10) for run in runs]
    assert said.err == "left out: cut: unfinished: column 'state' says running\n"


def test_a_table_of_wandb_is_named_for_what_it_is(tmp_path, capsys):
    assert main(["runs", "from-wandb", "wandb", "-o", "runs.csv"]) == 2
    assert "name it runs.jsonl" in capsys.readouterr().err
    assert main(["runs", "from-wandb", str(tmp_path), "-o", "runs.jsonl"]) == 2
    assert "holds no .wandb file" in capsys.readouterr().err
