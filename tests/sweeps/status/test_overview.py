import dataclasses

import pytest

from sweeps.compose import launcher_config
from sweeps.planning.planned_sweep import read_planned_sweep
from sweeps.status import overview
from sweeps.status.overview import print_status, totals, watch
from sweeps.status.run_status import status

BEGAN, NOW = "2026-01-01T10:00:00+00:00", "2026-01-01T10:30:00+00:00"


@pytest.fixture
def sweep(make_manifest):
    """Five equal runs: one done in an hour, two half done since ten o'clock, one waiting, one failed."""
    manifest, store = make_manifest(1, 2, 3, 4, 5)
    listing = read_planned_sweep(store.sweep_dir("fake"))
    n_steps = manifest.runs[0].n_steps
    running = {"state": "running", "since": BEGAN, "where": "n1:77", "step": n_steps // 2}
    changes = (
        {"state": "done", "wall_s": 3600.0, "spent_s": 3600.0, "step": n_steps},
        {**running, "spent_s": 1800.0, "n_together": 2},
        running,
        {},
        {"state": "failed", "reason": "out of luck", "wall_s": 100.0, "spent_s": 900.0},
    )
    rows = status(listing.jobs, store)
    return listing, tuple(dataclasses.replace(row, **change) for row, change in zip(rows, changes, strict=True))


def test_the_totals_count_hours_and_time_left(sweep):
    sums = totals(*sweep, NOW)
    assert [sums[f"n_{state}"] for state in ("done", "running", "waiting", "diverged", "failed")] == [1, 2, 1, 0, 1]
    assert sums["core_hours"] == pytest.approx(1 + (0.5 + 0.5 / 2) + 0.5 + 0.25)
    # Two halves and a whole, an hour a run, by two at once; see test_time_left.
    assert sums["seconds_left"] == pytest.approx(3600.0)


def test_gpu_hours_count_the_share_of_a_run(sweep):
    listing, rows = sweep
    options = dict.fromkeys(("partition", "cap", "cpus_per_run", "memory", "time", "account", "qos", "constraint"))
    options |= {"kind": "slurm", "workers": 1, "slots": 4, "gpus": 1, "warn_s": 1, "container": None}
    launcher = launcher_config({"launcher": {**options, "setup": [], "sbatch": []}})
    shared = dataclasses.replace(listing, launcher=launcher)
    assert totals(shared, rows, NOW)["gpu_hours"] == pytest.approx(2.5 / 4)


def test_the_screen_says_where_since_when_and_why(sweep, capsys):
    print_status(*sweep)
    said = capsys.readouterr().out
    assert said.startswith("fake: 1 done, 2 running, 1 waiting, 1 failed of 5; ")
    for words in ("n1:77", BEGAN, "out of luck"):
        assert words in said


def test_watching_prints_a_line_for_each_change_until_all_is_finished(sweep, capsys, monkeypatch, make_manifest):
    listing, rows = sweep
    done = [dataclasses.replace(row, state="done") for row in rows]
    looks = [rows, rows, done]
    monkeypatch.setattr(overview, "status", lambda *_: looks.pop(0))
    monkeypatch.setattr(overview, "now", lambda: NOW)
    monkeypatch.setattr(overview.time, "sleep", lambda _: None)
    watch(listing, None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "fake: 1 done, 2 running, 1 waiting, 1 failed of 5",
        "fake: 5 done, 0 running, 0 waiting of 5",
    ]
