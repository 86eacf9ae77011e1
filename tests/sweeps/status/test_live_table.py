import dataclasses
import io

import pytest
from rich.console import Console

from scaling_harness.text_table import duration
from sweeps.status import live_table
from sweeps.status.live_table import LiveTable
from sweeps.status.run_status import status

BEGAN, NOW = "2026-01-01T10:00:00+00:00", "2026-01-01T10:00:04+00:00"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr(live_table.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(live_table, "now", lambda: NOW)
    return now


@pytest.fixture
def sweep(make_manifest):
    """Four equal runs of 20 steps of 32 tokens, and how they stand before anything is trained."""
    manifest, store = make_manifest(1, 2, 3, 4)
    return manifest, status(manifest.jobs, store)


def changed(rows, *changes):
    return [dataclasses.replace(row, **change) for row, change in zip(rows, changes, strict=True)]


def test_a_line_for_each_finished_run_where_there_is_no_terminal(sweep, clock):
    manifest, rows = sweep
    said = io.StringIO()
    done = {"state": "done", "loss_nats": 1.25}
    with LiveTable(manifest.jobs, Console(file=said, width=200)) as shown:
        rows = changed(rows, done, {}, {}, {})
        shown.show(rows)
        assert said.getvalue() == ""
        for _ in range(2):
            shown.show(changed(rows, {}, done, {"state": "failed", "reason": "why"}, {"state": "running"}))
    assert said.getvalue().splitlines() == [
        f"3/4 {rows[1].run_id}  1.2500 nats/token",
        f"3/4 {rows[2].run_id}  failed: why",
    ]


def test_the_live_table_says_step_loss_rate_and_time_left(sweep, clock):
    manifest, rows = sweep
    said = io.StringIO()
    with LiveTable(manifest.jobs, Console(file=said, width=200, force_terminal=True)) as shown:
        rows = changed(rows, {"state": "done"}, {"state": "running", "since": BEGAN}, {}, {})
        shown.show(rows)
        clock[0] += 4.0
        rows = changed(rows, {}, {"step": 10, "loss_nats": 2.5}, {}, {})
        shown.show(rows)
    # Half a run in 4 s, two and a half to go.
    for words in (rows[1].run_id, "10", "2.5000", "80", "1 done, 1 running, 2 waiting; about 20 s left"):
        assert words in said.getvalue()


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations_are_said_as_a_reader_would(seconds, words):
    assert duration(seconds) == words
