import dataclasses
import sys

import pytest

from scaling_harness.config.schema import WandbConfig
from scaling_harness.record.record import write_record
from scaling_harness.wandb_mirror.finished import MOST_REFUSALS, Mirrored, mirror

COPIED, NOTHING = Mirrored(1), Mirrored(0)


def test_off_means_not_even_imported(finished, monkeypatch):
    plan, store = finished
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert mirror([plan.run_id], store, WandbConfig()) == NOTHING


def test_a_run_is_copied_whole_and_once(finished, wandb):
    plan, store = finished
    config = WandbConfig(mode="offline", project="p")
    assert mirror([plan.run_id, "not-finished"], store, config, "sweep") == COPIED
    (run,) = wandb.runs
    assert (run.settings["id"], run.settings["group"], run.settings["mode"]) == (plan.run_id, "sweep", "offline")
    assert run.settings["config"].items() >= plan.science.items()
    assert [step for step, _ in run.rows if "loss" in _] == list(range(1, plan.n_steps + 1))
    assert "valid_loss" in run.rows[-1][1]
    assert run.exit_code == 0
    assert run.tags == ("completed",)
    assert mirror([plan.run_id], store, config, "sweep") == NOTHING
    assert mirror([plan.run_id], store, WandbConfig(mode="online", project="p"), "sweep") == COPIED
    assert mirror([plan.run_id], store, dataclasses.replace(config, entity="team"), "sweep") == COPIED
    assert mirror([plan.run_id], store, config, "sweep") == NOTHING


def test_it_goes_where_it_is_told(finished, wandb):
    plan, store = finished
    mirror([plan.run_id], store, WandbConfig("offline", "p", "team", "mine", ("a", "b")), "sweep")
    (run,) = wandb.runs
    assert [run.settings[name] for name in ("project", "entity", "group")] == ["p", "team", "mine"]
    assert run.tags == ("a", "b", "completed")


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_trained_again_is_copied_again(finished, wandb, status):
    plan, store = finished
    good = store.read(plan.run_id)
    provenance = {**good.provenance, "ended": "2026-01-01T00:00:00+00:00"}
    bad = dataclasses.replace(good, status=status, reason="no memory", losses={}, provenance=provenance)
    write_record(store.run_dir(plan.run_id), bad)
    config = WandbConfig(mode="offline")
    assert mirror([plan.run_id], store, config) == COPIED
    write_record(store.run_dir(plan.run_id), good)
    assert mirror([plan.run_id], store, config) == COPIED
    assert [(run.exit_code, run.summary["status"]) for run in wandb.runs] == [(1, status), (0, "completed")]
    assert "loss_nats" not in wandb.runs[0].summary


def test_an_error_of_wandb_ends_nothing(finished, wandb, caplog):
    plan, store = finished

    def refuse(**_):
        raise ConnectionError("no network")

    wandb.init = refuse
    assert mirror([plan.run_id], store, WandbConfig(mode="online")) == Mirrored(0, 1, "ConnectionError: no network")
    assert "no network" in caplog.text
    assert store.is_finished(plan.run_id)


def test_a_server_that_is_away_is_not_asked_for_every_run(finished, wandb):
    plan, store = finished
    asked = []

    def refuse(**settings):
        asked.append(settings["id"])
        raise ConnectionError("no network")

    wandb.init = refuse
    record = store.read(plan.run_id)
    names = [f"run{i}" for i in range(MOST_REFUSALS + 2)]
    for name in names:
        write_record(store.run_dir(name), dataclasses.replace(record, run_id=name))
    assert mirror(names, store, WandbConfig(mode="online")).refused == len(names)
    assert asked == names[:MOST_REFUSALS]


def test_without_a_key_nothing_is_tried_and_the_way_out_is_said(finished, wandb, caplog):
    plan, store = finished
    wandb.login = lambda **_: False
    done = mirror([plan.run_id], store, WandbConfig(mode="online"))
    assert (done.copied, done.refused, wandb.runs) == (0, 1, [])
    assert "WANDB_API_KEY" in done.reason
    assert "WANDB_API_KEY" in caplog.text


def test_a_trunk_is_no_run_of_its_own(finished, wandb):
    plan, store = finished
    record = store.read(plan.run_id)
    write_record(store.run_dir("branch"), dataclasses.replace(record, run_id="branch", trunk=plan.run_id))
    mirror([plan.run_id, "branch"], store, WandbConfig(mode="offline"))
    assert [run.settings["job_type"] for run in wandb.runs] == ["trunk", "train"]
    assert [run.summary["status"] for run in wandb.runs] == ["trunk", "completed"]
