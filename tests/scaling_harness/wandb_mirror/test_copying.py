import dataclasses
import json
import os
from datetime import datetime

import pytest

from scaling_harness.config.schema import WandbConfig
from scaling_harness.record.row_times import TIMES_FILE
from scaling_harness.wandb_mirror.copying import Copy, import_wandb, missing_key
from scaling_harness.wandb_mirror.described import describe_plan

OFFLINE = WandbConfig(mode="offline")


def logged(wandb, copy, record=None):
    copy.catch_up(record)
    return wandb.runs[-1].rows


def test_rows_have_the_time_of_the_training_and_not_of_the_copy(finished, wandb):
    plan, store = finished
    times = store.metrics_path(plan.run_id).with_name(TIMES_FILE)
    long_ago = [
        f"{line.split()[0]} {1000.0 + 10 * i:.3f}" for i, line in enumerate(times.read_text().split("\n")[1:-1])
    ]
    times.write_text("\n".join(long_ago) + "\n")
    rows = logged(wandb, Copy(describe_plan(plan), store, OFFLINE, None), store.read(plan.run_id))
    at = [row["_timestamp"] for _, row in rows]
    assert at == sorted(at)
    assert 1000 < at[0] < at[-1] <= 1000 + 10 * len(long_ago)


def test_a_run_of_an_earlier_version_has_times_between_its_start_and_its_end(finished, wandb):
    plan, store = finished
    store.metrics_path(plan.run_id).with_name(TIMES_FILE).unlink()
    ends = {"started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T01:00:00+00:00"}
    record = dataclasses.replace(store.read(plan.run_id), provenance=ends)
    rows = logged(wandb, Copy(describe_plan(plan), store, OFFLINE, None), record)
    start, end = (datetime.fromisoformat(text).timestamp() for text in ends.values())
    assert start < rows[0][1]["_timestamp"] < start + 600
    assert rows[-1][1]["_timestamp"] == end


def test_a_curve_is_sent_as_it_grows_and_a_damaged_row_is_passed_over(finished, wandb):
    plan, store = finished
    curve = store.metrics_path(plan.run_id)
    curve.with_name(TIMES_FILE).unlink()
    whole = curve.read_bytes().splitlines(keepends=True)
    curve.write_bytes(whole[0] + whole[1][:20])
    copy = Copy(describe_plan(plan), store, OFFLINE, None)
    assert len(logged(wandb, copy)) == 1
    curve.write_bytes(whole[0] + whole[1] + b'{damaged\n7\n{"loss": 1.0}\n' + whole[2])
    assert [row for _, row in logged(wandb, copy)] == [json.loads(line) for line in whole[:3]]
    assert len(logged(wandb, copy)) == 3


def test_a_row_whose_time_is_not_written_yet_waits_for_it(finished, wandb):
    plan, store = finished
    curve = store.metrics_path(plan.run_id)
    first = curve.read_bytes().splitlines(keepends=True)[0]
    curve.with_name(TIMES_FILE).write_text(f"0 1000.000\n{len(first)} 1010.000\n")
    rows = logged(wandb, Copy(describe_plan(plan), store, OFFLINE, None))
    assert [(step, row["_timestamp"]) for step, row in rows] == [(1, 1010.0)]


def test_a_run_cut_off_counts_as_failed(finished, wandb):
    plan, store = finished
    Copy(describe_plan(plan), store, OFFLINE, None).close(None)
    assert wandb.runs[0].exit_code == 1


@pytest.mark.parametrize(
    ("mode", "key", "missing"), [("online", False, True), ("online", True, False), ("offline", False, False)]
)
def test_a_key_is_needed_online_alone(wandb, mode, key, missing):
    wandb.login = lambda **_: key
    assert bool(missing_key(WandbConfig(mode=mode))) == missing


def test_wandb_reports_nothing_to_its_makers_unless_the_user_wants_it(wandb, monkeypatch):
    monkeypatch.delenv("WANDB_ERROR_REPORTING", raising=False)
    import_wandb()
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "true")
    import_wandb()
    assert os.environ["WANDB_ERROR_REPORTING"] == "true"
