"""What wandb itself wrote offline, read back: N, D, C, loss and times come back as they were."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from analysis.runs.load import load_runs
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.wandb_mirror.offline_files import read_offline_runs

MIRROR = """
import sys
from pathlib import Path
from scaling_harness.config.schema import WandbConfig
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.finished import mirror
config = WandbConfig("offline", "p", tags=("a",))
print([mirror(sys.argv[2:], Store(Path(sys.argv[1])), config, "sweep").copied for _ in range(2)])
"""


def exports(runs, folder):
    """The same runs as `runs from-wandb`, the API's DataFrame and wandb's page give them."""
    (folder / "offline.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs))
    frame = pd.DataFrame(runs)[["summary", "config", "name"]]
    frame.to_csv(folder / "api.csv")
    frame.to_parquet(folder / "api.parquet")
    as_json = frame.assign(**{name: frame[name].map(json.dumps) for name in ("summary", "config")})
    as_json.to_csv(folder / "json.csv", index=False)
    page = [
        {"Name": run["name"], "State": run["state"], "User": "me", "Tags": "a, completed"}
        | flat(run["config"])
        | {name: value for name, value in flat(run["summary"]).items() if name[0] != "_"}
        for run in runs
    ]
    pd.DataFrame(page).to_csv(folder / "page.csv", index=False)
    return ["offline.jsonl", "api.csv", "api.parquet", "json.csv", "page.csv"]


def flat(mapping, prefix=""):
    rows = {}
    for name, value in mapping.items():
        rows |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return rows


def test_what_wandb_wrote_offline_comes_back_unchanged(finished, tmp_path):
    plan, store = finished
    done = subprocess.run(
        [sys.executable, "-c", MIRROR, str(store.runs_dir), plan.run_id], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[1, 0]"
    assert done.stderr == ""
    (run,) = read_offline_runs(store.runs_dir / "wandb")
    assert (run["id"], run["group"], run["job_type"], run["tags"]) == (
        plan.run_id,
        "sweep",
        "train",
        ["a", "completed"],
    )
    assert run["state"] == "finished"
    assert run["config"]["budget"] == plan.science["budget"]
    record = store.read(plan.run_id)
    rows = [json.loads(line) for line in store.metrics_path(plan.run_id).read_text().splitlines()]
    assert run["summary"]["loss"] == [row["loss"] for row in rows if "loss" in row][-1]
    assert run["summary"]["_timestamp"] < run["created_at"]
    truth = load_runs(store.runs_dir).frame[["N", "D", "C", "L"]].to_numpy().tolist()
    assert truth[0][:2] == [record.n_params["with_head"], record.n_tokens]
    for name in exports([run], tmp_path):
        runs = load_runs(tmp_path / name)
        assert runs.frame[["N", "D", "C", "L"]].to_numpy().tolist() == truth, name
        assert not runs.notes
    (path,) = store.runs_dir.glob("wandb/offline-run-*/*.wandb")
    cut = tmp_path / "cut" / path.name
    cut.parent.mkdir()
    cut.write_bytes(path.read_bytes()[:-40])
    assert read_offline_runs(cut.parent)[0]["state"] == "running"


def test_a_folder_without_such_files_and_another_file_are_told(tmp_path):
    with pytest.raises(UserError, match=r"holds no \.wandb file"):
        read_offline_runs(tmp_path)
    (tmp_path / "odd.wandb").write_text("no")
    with pytest.raises(HarnessError, match=r"odd\.wandb was not written by wandb"):
        read_offline_runs(tmp_path)
