import json
import time

import pytest

from scaling_harness.config.schema import WandbConfig
from scaling_harness.wandb_mirror.described import describe_plan
from scaling_harness.wandb_mirror.finished import Mirrored, mirror
from scaling_harness.wandb_mirror.follow import follow, following

OFFLINE = WandbConfig(mode="offline")
LIVE = WandbConfig(mode="offline", live=True)
WRITES = """
import json, os, pathlib
class Run:
    tags, summary = (), {}
    def log(self, row, step): write({"step": step})
    def finish(self, exit_code): write({"exit_code": exit_code, "loss_nats": self.summary.get("loss_nats")})
def write(row):
    with open(os.environ["FAKE_LOG"], "a") as file: file.write(json.dumps(row) + "\\n")
def Settings(**_): pass
def init(**settings):
    write({"id": settings["id"]})
    return Run()
"""


@pytest.fixture
def other_wandb(tmp_path, monkeypatch):
    """Gives other processes a wandb of the test's own; what it logs is in the file that this returns."""

    def put(source):
        folder = tmp_path / "other"
        folder.mkdir()
        (folder / "wandb.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log.jsonl"))
        return tmp_path / "log.jsonl"

    return put


def test_rows_are_sent_while_the_run_trains_and_results_when_it_has_ended(finished, wandb):
    plan, store = finished
    record_path, curve = store.record_path(plan.run_id), store.metrics_path(plan.run_id)
    record, times = record_path.read_bytes(), curve.with_name("times.txt")
    record_path.unlink()
    whole = curve.read_bytes().splitlines(keepends=True)
    curve.write_bytes(b"".join(whole[:3]))
    marks = times.read_text()
    times.write_text(f"0 1.000\n{len(curve.read_bytes())} 2.000\n")
    seen = []

    def stop():
        seen.append((len(wandb.runs[0].rows), wandb.runs[0].exit_code) if wandb.runs else None)
        if wandb.runs and not record_path.exists():
            curve.write_bytes(b"".join(whole))
            times.write_text(marks)
            record_path.write_bytes(record)
        return False

    follow([describe_plan(plan)], store, OFFLINE, "sweep", stop)
    assert seen[:2] == [None, (3, None)]
    (run,) = wandb.runs
    assert len(run.rows) == len(whole)
    assert (run.exit_code, run.summary["status"], run.settings["group"]) == (0, "completed", "sweep")
    assert mirror([plan.run_id], store, OFFLINE) == Mirrored(0)


def test_a_stop_leaves_a_run_that_a_later_copy_makes_whole(finished, wandb):
    plan, store = finished
    record_path = store.record_path(plan.run_id)
    record = record_path.read_bytes()
    record_path.unlink()
    follow([describe_plan(plan)], store, OFFLINE, None, lambda: True)
    assert wandb.runs[0].exit_code == 1
    record_path.write_bytes(record)
    assert mirror([plan.run_id], store, OFFLINE) == Mirrored(1)


def test_an_error_of_wandb_is_said_and_the_copy_left_for_later(finished, wandb, caplog):
    plan, store = finished

    def refuse(**_):
        raise ConnectionError("no network")

    wandb.init = refuse
    follow([describe_plan(plan)], store, OFFLINE, None, lambda: False)
    assert "no network" in caplog.text


@pytest.mark.parametrize("config", [WandbConfig(), OFFLINE])
def test_no_process_is_started_unless_asked(finished, monkeypatch, config):
    plan, store = finished
    monkeypatch.setattr("subprocess.Popen", None)
    with following([plan], store, config):
        pass


def test_another_process_sends_what_there_is_until_the_end(finished, other_wandb):
    plan, store = finished
    log = other_wandb(WRITES)
    with following([plan], store, LIVE):
        pass
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert rows[0] == {"id": plan.run_id}
    assert rows[-1] == {"exit_code": 0, "loss_nats": store.read(plan.run_id).losses["valid"].loss_nats}
    assert rows[-2]["step"] == plan.n_steps
    with following([plan], store, LIVE):
        pass
    assert len(log.read_text().splitlines()) == len(rows)


def test_a_wandb_that_hangs_holds_up_and_ends_nothing(finished, other_wandb, caplog):
    plan, store = finished
    other_wandb("import time\ntime.sleep(60)\n")
    start = time.monotonic()
    with following([plan], store, LIVE, grace_s=0.2):
        pass
    assert time.monotonic() - start < 5
    assert "the same command copies the rest" in caplog.text


def test_an_error_of_the_run_passes_through(finished, other_wandb):
    plan, store = finished
    other_wandb("raise ImportError('broken')\n")
    with pytest.raises(ValueError, match="of the run"), following([plan], store, LIVE):
        raise ValueError("of the run")
