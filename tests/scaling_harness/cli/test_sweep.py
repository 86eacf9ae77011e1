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


def test_a_sweep_is_planned_run_looked_at_and_extended(own_sweep, call, capsys, tmp_path):
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

    records = {path: path.read_bytes() for path in (tmp_path / "runs" / "store").glob("*/record.json")}
    assert len(records) == 4
    assert call("sweep", "run", *own_sweep) == 0
    said = capsys.readouterr().out
    assert "mine: 4 done, 0 running, 0 waiting of 4" in said
    assert "all runs are finished: `scaling-harness report mine`" in said
    wider = [*own_sweep, GRID.replace("[0, 1]", "[0, 1, 2]")]
    assert call("sweep", "run", *wider) == 2
    assert "sweep extend" in capsys.readouterr().err
    assert call("sweep", "extend", *wider) == 0
    assert call("sweep", "run", *own_sweep, "runtime.workers=1") == 0
    after = {path: path.read_bytes() for path in (tmp_path / "runs" / "store").glob("*/record.json")}
    assert len(after) == 6
    assert {path: after[path] for path in records} == records


@pytest.fixture
def started(make_plan, tmp_path):
    """A sweep of one run that nobody has trained."""
    from scaling_harness.plan.plan import Job
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import Manifest, write_manifest

    plan = make_plan("wandb.project=mine", "wandb.tags=[a]")
    config, store = plan.config, Store(tmp_path / "runs")
    write_manifest(store.sweep_dir("one"), Manifest("one", "?", 0, config.runtime, config.wandb, (Job((plan,)),)))
    return plan, store


def test_a_mirror_goes_where_the_sweep_says_unless_told(started, call, capsys, monkeypatch):
    from scaling_harness.wandb_mirror.finished import Mirrored

    plan, store = started
    asked = []

    def mirror(run_ids, store, config, group):
        asked.append((run_ids, config.mode, config.project, config.entity, config.group, config.tags, group))
        return Mirrored(1)

    monkeypatch.setattr("scaling_harness.wandb_mirror.finished.mirror", mirror)
    monkeypatch.setattr("scaling_harness.wandb_mirror.copying.missing_key", lambda config: None)
    where = f"--runs-dir={store.runs_dir}"
    assert call("sweep", "mirror", "one", where, "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "one", "copied": 1, "finished": 0, "runs": 1}]
    more = ("--project=other", "--entity=team", "--group=g", "--tags=b,c", "--mode=online")
    assert call("sweep", "mirror", "one", where, *more) == 0
    assert asked == [
        ([plan.run_id], "offline", "mine", None, None, ("a",), "one"),
        ([plan.run_id], "online", "other", "team", "g", ("b", "c"), "one"),
    ]


def test_a_mirror_that_could_not_copy_ends_with_a_sentence(started, call, capsys, monkeypatch):
    from scaling_harness.wandb_mirror.finished import Mirrored

    where = f"--runs-dir={started[1].runs_dir}"
    monkeypatch.setattr("scaling_harness.wandb_mirror.finished.mirror", lambda *_: Mirrored(0, 3, "no network"))
    assert call("sweep", "mirror", "one", where) == 1
    assert "3 runs were not copied: no network; the same command tries them again" in capsys.readouterr().err


def test_a_mirror_online_without_a_key_ends_with_a_sentence(started, call, capsys, monkeypatch):
    monkeypatch.setattr("scaling_harness.wandb_mirror.copying.import_wandb", lambda: NoKey)
    assert call("sweep", "mirror", "one", f"--runs-dir={started[1].runs_dir}", "--mode=online") == 2
    assert "wandb has no API key: set WANDB_API_KEY or run `wandb login`" in capsys.readouterr().err


class NoKey:
    @staticmethod
    def login(**_):
        return False
