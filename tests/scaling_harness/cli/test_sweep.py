"""`sweep plan`, `run`, `extend`, `status` and `mirror`, with `table` and `fit` of what they leave."""

import json

import pytest

GRID = "sweep.grids=[{shapes: [[1,16]], budgets: {n_tokens: [320, 640]}, seeds: [0, 1]}]"


@pytest.fixture
def own_sweep(tiny, tmp_path):
    """A directory of configuration of the user's own, with a sweep in it."""
    folder = tmp_path / "my-conf" / "sweep"
    folder.mkdir(parents=True)
    text = 'question: "?"\nname: mine\ngrids: [{shapes: [[1, 16]], budgets: {n_tokens: [320, 640]}, seeds: [0, 1]}]\n'
    (folder / "mine.yaml").write_text(text)
    return ["mine", *tiny, f"--config-dir={tmp_path / 'my-conf'}"]


def test_list_names_what_can_be_run(own_sweep, call, capsys, tmp_path):
    name, folder = own_sweep[0], own_sweep[-1]
    assert call("sweep", "list", folder, f"--runs-dir={tmp_path}") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["name", "runs", "FLOPs", "in", "the", "store", "question"]
    assert {"reproduce-mini", "trunks", name} <= {line.split()[0] for line in out.splitlines()}
    assert call("sweep", "list", folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)[-1]["name"] == name


def test_plan_run_status_table_and_fit_of_a_sweep(own_sweep, call, capsys, tmp_path):
    assert call("sweep", "plan", *own_sweep, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in plan["runs"]] == ["waiting"] * 4
    assert plan["totals"]["n_left"] == 4
    assert not (tmp_path / "runs" / "mine").exists()

    assert call("sweep", "run", *own_sweep, "runtime.workers=2") == 0
    capsys.readouterr()
    assert call("sweep", "plan", *own_sweep, "--json") == 0
    assert json.loads(capsys.readouterr().out)["totals"]["n_left"] == 0

    runs = ("mine", f"--runs-dir={tmp_path / 'runs'}")
    assert call("sweep", "status", *runs, "--json") == 0
    assert {row["state"] for row in json.loads(capsys.readouterr().out)["runs"]} == {"done"}
    assert call("table", *runs, "--json", f"--csv={tmp_path / 'runs.csv'}") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["D"] for row in rows} == {320, 640}
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 5

    assert call("fit", *runs) == 1
    assert "4 runs cannot fix the 5 parameters" in capsys.readouterr().err


def test_a_finished_sweep_trains_nothing_and_an_extended_one_only_what_is_new(own_sweep, call, capsys, tmp_path):
    assert call("sweep", "run", *own_sweep) == 0
    records = {path: path.read_bytes() for path in (tmp_path / "runs" / "store").glob("*/record.json")}
    assert len(records) == 4
    capsys.readouterr()
    assert call("sweep", "run", *own_sweep) == 0
    said = capsys.readouterr().out
    assert "mine: 4 done, 0 running, 0 waiting of 4" in said
    assert "all runs are finished: `scaling-harness report mine`" in said
    wider = [*own_sweep, GRID.replace("[0, 1]", "[0, 1, 2]")]
    assert call("sweep", "run", *wider) == 2
    assert "sweep extend" in capsys.readouterr().err
    assert call("sweep", "extend", *wider) == 0
    assert call("sweep", "run", *own_sweep) == 0
    after = {path: path.read_bytes() for path in (tmp_path / "runs" / "store").glob("*/record.json")}
    assert len(after) == 6
    assert {path: after[path] for path in records} == records


def test_a_mirror_goes_to_the_project_of_the_sweep_unless_told(make_plan, call, capsys, tmp_path, monkeypatch):
    from scaling_harness.plan.plan import Job
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import Manifest, write_manifest

    plan = make_plan("wandb.project=mine")
    config, store = plan.config, Store(tmp_path / "runs")
    write_manifest(store.sweep_dir("one"), Manifest("one", "?", 0, config.runtime, config.wandb, (Job((plan,)),)))
    asked = []

    def mirror(run_ids, store, config, group):
        asked.append((run_ids, config.mode, config.project, group))
        return 1

    monkeypatch.setattr("scaling_harness.wandb_mirror.mirror", mirror)
    where = f"--runs-dir={store.runs_dir}"
    assert call("sweep", "mirror", "one", where, "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "one", "copied": 1, "finished": 0, "runs": 1}]
    assert call("sweep", "mirror", "one", where, "--project=other", "--mode=online") == 0
    assert asked == [([plan.run_id], "offline", "mine", "one"), ([plan.run_id], "online", "other", "one")]
