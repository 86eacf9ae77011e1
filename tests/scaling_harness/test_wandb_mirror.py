import json
import struct
import subprocess
import sys
import types

import pytest

from scaling_harness.config.schema import WandbConfig
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import read_jsonl
from scaling_harness.record.store import Store
from scaling_harness.training.trainer import train
from scaling_harness.wandb_mirror import mirror


class FakeRun:
    def __init__(self, **settings):
        self.settings, self.rows, self.summary = settings, [], {}

    def log(self, row, step):
        self.rows.append((step, row))

    def finish(self):
        self.settings["finished"] = True


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in that remembers what it was given."""
    fake = types.SimpleNamespace(runs=[], Settings=dict)

    def init(**settings):
        fake.runs.append(FakeRun(**settings))
        return fake.runs[-1]

    fake.init = init
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def finished(make_plan, tmp_path, quiet):
    plan = make_plan()
    store = Store(tmp_path / "runs")
    train(Job((plan,)), plan.config.runtime, store, quiet)
    return plan, store


def test_off_means_not_even_imported(finished, monkeypatch):
    plan, store = finished
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert mirror([plan.run_id], store, WandbConfig()) == 0


def test_a_run_is_copied_whole_and_once(finished, wandb):
    plan, store = finished
    config = WandbConfig(mode="offline", project="p")
    assert mirror([plan.run_id, "not-finished"], store, config, "sweep") == 1
    (run,) = wandb.runs
    assert (run.settings["id"], run.settings["group"], run.settings["mode"]) == (plan.run_id, "sweep", "offline")
    assert run.settings["config"] == plan.science
    assert [step for step, _ in run.rows] == list(range(1, plan.n_steps + 1))
    assert "valid_loss" in run.rows[-1][1]
    assert run.summary["final_valid_loss_nats"] == store.read(plan.run_id).losses["valid"].loss_nats
    assert run.settings["finished"]
    assert mirror([plan.run_id], store, config, "sweep") == 0
    assert mirror([plan.run_id], store, WandbConfig(mode="online", project="p"), "sweep") == 1
    assert mirror([plan.run_id], store, config, "sweep") == 0


def test_an_error_of_wandb_ends_nothing(finished, wandb, caplog):
    plan, store = finished

    def refuse(**_):
        raise ConnectionError("no network")

    wandb.init = refuse
    assert mirror([plan.run_id], store, WandbConfig(mode="online")) == 0
    assert "no network" in caplog.text
    assert store.is_finished(plan.run_id)


def records(path):
    """Read a file of wandb: LevelDB's log format behind 7 bytes, blocks of 32 KiB, each record a message."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, part = path.read_bytes(), 7, b""
    while at < len(data):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield Record.FromString(part)
            part = b""


def test_what_wandb_wrote_offline_is_the_run(finished):
    plan, store = finished
    code = (
        "from pathlib import Path; from scaling_harness.wandb_mirror import mirror;"
        "from scaling_harness.config.schema import WandbConfig; from scaling_harness.record.store import Store;"
        f"print([mirror([{plan.run_id!r}], Store(Path({str(store.runs_dir)!r})), WandbConfig('offline', 'p'), 'sweep')"
        " for _ in range(2)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1, 0]"
    (path,) = store.runs_dir.glob("wandb/offline-run-*/*.wandb")
    written = list(records(path))
    (run,) = (record.run for record in written if record.HasField("run"))
    assert (run.run_id, run.run_group, run.job_type, list(run.tags)) == (plan.run_id, "sweep", "train", ["completed"])
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["budget"] == plan.science["budget"]
    losses = {}
    for record in written:
        items = {item.nested_key[0] if item.nested_key else item.key: item.value_json for item in record.history.item}
        if "loss" in items:
            losses[int(items["_step"])] = float(items["loss"])
    rows = read_jsonl(store.metrics_path(plan.run_id))
    assert losses == {row["step"]: row["loss"] for row in rows if "loss" in row}
