"""What is shown while a sweep is trained, and what is said at its end, without any training."""

import io

import pytest
from rich.console import Console

from scaling_harness.errors import HarnessError
from sweeps.launchers.watching import Screen, Summary, conclude, n_open_jobs
from sweeps.status.live_table import LiveTable


def summary(n_failed=0, interrupted=False):
    return Summary(2, 2 - n_failed, 0, n_failed, 0, 2, interrupted)


def test_the_screen_says_once_that_it_stops_and_counts_what_is_left(make_manifest):
    manifest, store = make_manifest(1, 2)
    assert n_open_jobs(manifest, store) == 2
    console = Console(file=io.StringIO(), width=200)
    with LiveTable(manifest.jobs, console) as table:
        screen = Screen(table, manifest, store)
        for stopping in (False, True, True):
            screen.update(stopping)
    assert screen.summary(True, console) == Summary(2, 0, 0, 0, 2, 0, interrupted=True)
    said = console.file.getvalue()
    assert said.count("workers save their runs") == 1
    assert "0 of 2 runs are done; the same command continues from here" in said


def test_the_end_of_a_sweep(make_manifest):
    manifest, store = make_manifest(1, 2)
    assert not conclude(summary(interrupted=True), manifest, store)
    assert conclude(summary(), manifest, store)
    with pytest.raises(HarnessError, match="1 runs failed; `scaling-harness sweep status fake` says why"):
        conclude(summary(n_failed=1), manifest, store)
