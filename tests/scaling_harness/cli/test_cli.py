"""The console command: exit codes, sentences, and one JSON document."""

import json
import subprocess
import sys

import pytest

from scaling_harness.cli import main


def run(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)


GRID = "sweep.grids=[{shapes: [[1,16]], budgets: {n_tokens: [320, 640]}, seeds: [0, 1]}]"


@pytest.fixture
def own_sweep(tiny, tmp_path):
    """A directory of configuration of the user's own, with a sweep in it."""
    folder = tmp_path / "my-conf" / "sweep"
    folder.mkdir(parents=True)
    text = 'question: "?"\nname: mine\ngrids: [{shapes: [[1, 16]], budgets: {n_tokens: [320, 640]}, seeds: [0, 1]}]\n'
    (folder / "mine.yaml").write_text(text)
    return ["mine", *tiny, f"--config-dir={tmp_path / 'my-conf'}"]


def test_help_imports_nothing_heavy():
    code = "import sys; from scaling_harness.cli import parser; parser().format_help(); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for module in ("torch", "numpy", "hydra", "pandas", "rich", "pydantic", "wandb", "scipy"):
        assert f"'{module}'" not in loaded


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("trian",),
        ("sweep", "plan"),
        ("sweep", "plan", "no-such-sweep"),
        ("train", "model.d_modle=3"),
        ("train", "budget.n_tokens=-1"),
        ("table", "no-such-runs"),
        ("sweep", "status", "never-started"),
    ],
)
def test_bad_arguments_are_a_sentence_and_exit_code_2(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_plan_run_status_table_and_fit_of_a_sweep(own_sweep, capsys, tmp_path):
    assert run("sweep", "plan", *own_sweep, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in plan["runs"]] == ["waiting"] * 4
    assert plan["totals"]["n_left"] == 4
    assert not (tmp_path / "runs" / "mine").exists()

    assert run("sweep", "run", *own_sweep, "runtime.workers=2") == 0
    capsys.readouterr()
    assert run("sweep", "plan", *own_sweep, "--json") == 0
    assert json.loads(capsys.readouterr().out)["totals"]["n_left"] == 0
    assert run("sweep", "status", *own_sweep, "--json") == 0
    assert {row["state"] for row in json.loads(capsys.readouterr().out)["runs"]} == {"done"}

    runs = ("mine", f"--runs-dir={tmp_path / 'runs'}")
    assert run("table", *runs, "--json", f"--csv={tmp_path / 'runs.csv'}") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["D"] for row in rows} == {320, 640}
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 5

    assert run("fit", *runs) == 1
    assert "4 runs cannot fix the 5 parameters" in capsys.readouterr().err


def test_a_finished_sweep_trains_nothing_and_an_extended_one_only_what_is_new(own_sweep, capsys, tmp_path):
    assert run("sweep", "run", *own_sweep) == 0
    records = {path: path.read_bytes() for path in (tmp_path / "runs" / "store").glob("*/record.json")}
    assert len(records) == 4
    assert run("sweep", "run", *own_sweep) == 0
    wider = [*own_sweep, GRID.replace("[0, 1]", "[0, 1, 2]")]
    assert run("sweep", "run", *wider) == 2
    assert "sweep extend" in capsys.readouterr().err
    assert run("sweep", "extend", *wider) == 0
    assert run("sweep", "run", *own_sweep) == 0
    after = {path: path.read_bytes() for path in (tmp_path / "runs" / "store").glob("*/record.json")}
    assert len(after) == 6
    assert {path: after[path] for path in records} == records


def test_train_says_where_its_record_is(tiny, capsys):
    assert run("train", *tiny) == 0
    said = capsys.readouterr().out
    assert "nats/token" in said
    assert said.strip().endswith("record.json")


def test_a_diverged_run_is_a_result_and_exit_code_1(tiny, capsys):
    assert run("train", *tiny, "optim.lr=1e9", "optim.grad_clip=null", "budget.n_tokens=6400") == 1
    assert "diverged: the loss was" in capsys.readouterr().out


def test_data_is_prepared_once_and_listed(tiny, capsys):
    assert run("data", "prepare", *tiny, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["vocab_size"] == 256
    assert run("data", "list", *tiny, "--json") == 0
    assert row["data_id"] in {listed["data_id"] for listed in json.loads(capsys.readouterr().out)}


def test_the_module_and_the_hydra_application_answer(tiny, tmp_path):
    def call(*command: str):
        return subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=tmp_path
        )

    assert "reproduce" in call("scaling_harness", "--help").stdout
    job = call("scaling_harness.train", "--cfg", "job", "model.d_model=64")
    assert "d_model: 64" in job.stdout
    assert call("scaling_harness.train", "model.d_modle=64").returncode == 1
    both = call("scaling_harness.train", "--multirun", *tiny, "seed=3,4")
    assert both.returncode == 0, both.stderr
    assert len(list((tmp_path / "runs" / "store").iterdir())) == 2
    assert not (tmp_path / "multirun").exists()
    assert not (tmp_path / "outputs").exists()
