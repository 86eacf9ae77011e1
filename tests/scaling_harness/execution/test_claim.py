import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.execution import attempts
from scaling_harness.execution.attempts import (
    LEASE_S,
    End,
    attempt_numbers,
    counted_failures,
    read_attempt,
    read_end,
    record_death,
)
from scaling_harness.execution.claim import claim_job
from scaling_harness.record.store import Store
from scaling_harness.training.oversight import ClaimLost

HOLD = """
import sys, time
from pathlib import Path
from scaling_harness.execution.claim import claim_job
from scaling_harness.record.store import Store
claim = claim_job("job", ["run"], Store(Path(sys.argv[1])))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def age(store, number=1, seconds=LEASE_S + 1.0):
    """Make an attempt look untouched for so long."""
    path = attempts.attempt_path(store.run_dir("run"), number)
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def disown(store):
    """Make the only attempt look like that of another machine."""
    path = attempts.attempt_path(store.run_dir("run"), 1)
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "elsewhere", "kernel": "another"}))


def test_one_at_a_time_and_numbers_only_rise(store):
    first = claim_job("job", ["run"], store)
    assert first is not None
    assert claim_job("job", ["run"], store) is None
    first.end("interrupted", "enough")
    assert read_end(store.run_dir("run"), 1) == End("interrupted", "enough")
    second = claim_job("job", ["run"], store)
    assert second is not None
    assert attempt_numbers(store.run_dir("run")) == [1, 2]
    second.end("completed")


def test_of_many_who_ask_at_once_one_is_served(store):
    barrier, served = threading.Barrier(8), []

    def ask():
        for number in range(40):
            barrier.wait()
            claim = claim_job("job", [f"run{number}"], store)
            if claim is not None:
                served.append((number, claim))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for number, _ in served) == list(range(40))
    for _, claim in served:
        claim.end("completed")


def test_a_killed_owner_is_found_at_once(store):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(store.runs_dir)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"held\n"
        assert claim_job("job", ["run"], store) is None
        owner.send_signal(signal.SIGKILL)
    claim = claim_job("job", ["run"], store)
    assert claim is not None
    assert read_attempt(store.run_dir("run"), 1).pid == owner.pid
    assert len(counted_failures(store.run_dir("run"))) == 1
    claim.end("completed")


def test_another_machine_is_dead_when_its_lease_is_over_by_the_file_systems_clock(store, monkeypatch):
    owner = claim_job("job", ["run"], store)
    disown(store)
    monkeypatch.setattr(time, "time", lambda: 1e12)
    assert claim_job("job", ["run"], store) is None
    age(store)
    assert owner is not None
    owner.renew_lease()
    assert claim_job("job", ["run"], store) is None
    age(store)
    thief = claim_job("job", ["run"], store)
    assert thief is not None
    thief.confirm()
    with pytest.raises(ClaimLost, match="overtaken by attempt 2"):
        owner.confirm()
    owner.end("interrupted")
    thief.end("completed")


def test_an_owner_who_is_busy_for_longer_than_the_lease_keeps_its_run(store, monkeypatch):
    monkeypatch.setattr("scaling_harness.execution.claim.HEARTBEAT_S", 0.01)
    owner = claim_job("job", ["run"], store)
    disown(store)
    age(store)
    path = attempts.attempt_path(store.run_dir("run"), 1)
    old = path.stat().st_mtime
    with owner.heartbeat(hang_s=60.0):
        while path.stat().st_mtime == old:
            time.sleep(0.01)
        assert claim_job("job", ["run"], store) is None
    age(store)
    thief = claim_job("job", ["run"], store)
    assert thief is not None
    owner.end("interrupted")
    thief.end("completed")


def test_an_owner_without_progress_stops_renewing_its_lease_until_it_makes_some(store, monkeypatch):
    monkeypatch.setattr("scaling_harness.execution.claim.HEARTBEAT_S", 0.01)
    owner = claim_job("job", ["run"], store)
    path = attempts.attempt_path(store.run_dir("run"), 1)
    with owner.heartbeat(hang_s=0.2):
        time.sleep(0.3)
        silent = path.stat().st_mtime_ns
        time.sleep(0.1)
        assert path.stat().st_mtime_ns == silent
        deadline = time.monotonic() + 20.0
        while path.stat().st_mtime_ns == silent:
            assert time.monotonic() < deadline
            owner.note_progress()
            time.sleep(0.01)
    owner.end("completed")


def test_without_locks_the_lease_decides(store, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr(attempts.fcntl, "flock", refuse)
    owner = claim_job("job", ["run"], store)
    assert claim_job("job", ["run"], store) is None
    age(store)
    thief = claim_job("job", ["run"], store)
    assert thief is not None
    for claim in (owner, thief):
        claim.end("interrupted")


@pytest.mark.parametrize("torn", [b"", b'{"host": "a', b'{"host": "a"}', b"\x00\xff"])
def test_a_torn_attempt_waits_for_its_lease(store, torn):
    path = attempts.attempt_path(store.run_dir("run"), 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(torn)
    assert claim_job("job", ["run"], store) is None
    age(store)
    claim = claim_job("job", ["run"], store)
    assert claim is not None
    assert "while it was being claimed" in counted_failures(store.run_dir("run"))[0].reason
    claim.end("completed")


def test_a_torn_end_reads_as_a_death(store):
    claim_job("job", ["run"], store).end("completed")
    path = attempts.attempt_path(store.run_dir("run"), 1)
    path.write_bytes(path.read_bytes()[:-5])
    claim = claim_job("job", ["run"], store)
    assert claim is not None
    assert len(counted_failures(store.run_dir("run"))) == 1
    claim.end("completed")


def test_all_runs_of_a_job_or_none(store):
    other = claim_job("b", ["b"], store)
    assert claim_job("stack", ["c", "b", "a"], store) is None
    assert attempt_numbers(store.run_dir("a")) == []
    assert attempt_numbers(store.run_dir("c")) == []
    other.end("completed")
    claim = claim_job("stack", ["c", "b", "a"], store)
    assert claim_job("a", ["a"], store) is None
    claim.end("completed")


def test_what_was_held_is_let_go_when_another_is_quicker(store, monkeypatch):
    monkeypatch.setattr("scaling_harness.execution.claim._free_number", lambda *_: 1)
    other = claim_job("b", ["b"], store)
    assert claim_job("stack", ["a", "b"], store) is None
    assert read_end(store.run_dir("a"), 1).outcome == "interrupted"
    other.end("completed")


def test_a_folder_that_is_gone_ends_the_claim(store):
    claim = claim_job("job", ["run"], store)
    shutil.rmtree(store.run_dir("run"))
    with pytest.raises(ClaimLost):
        claim.confirm()


def test_a_full_disk_leaves_no_attempt(store, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(HarnessError, match="full"):
            claim_job("job", ["run"], store)
    assert attempt_numbers(store.run_dir("run")) == []


def test_a_store_that_cannot_be_made_is_a_sentence(store):
    store.runs_dir.write_text("")
    with pytest.raises(UserError, match="a file stands where a directory is needed"):
        claim_job("job", ["run"], store)


def lives(store, *endings):
    """Attempts at one run: how each ended, and the stamp of the checkpoint it started from."""
    for outcome, stamp in endings:
        checkpoint = store.checkpoint_path("job")
        if stamp is not None:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.touch()
            os.utime(checkpoint, ns=(stamp, stamp))
        claim_job("job", ["run"], store).end(outcome, f"{outcome} from {stamp}")
    return [end.reason for end in counted_failures(store.run_dir("run"))]


@pytest.mark.parametrize(
    ("endings", "counted"),
    [
        ([("failed", None), ("failed", None), ("completed", None)], ["failed from None", "failed from None"]),
        ([("died", None), ("died", 1), ("died", 1), ("completed", 2)], ["died from 1"]),
        ([("failed", None), ("completed", 1)], ["failed from None"]),
        ([("interrupted", None), ("interrupted", None), ("completed", None)], []),
        ([("out_of_memory", None), ("completed", 1)], ["out_of_memory from None"]),
        ([("failed", None), ("gave_up", None), ("failed", None), ("completed", None)], ["failed from None"]),
    ],
)
def test_which_attempts_count(store, endings, counted):
    assert lives(store, *endings) == counted


def test_a_parent_says_how_its_child_died(store):
    claim = claim_job("job", ["run"], store)
    record_death(["run", "never begun"], store, os.getpid() + 1, End("died", "not me"))
    assert read_end(store.run_dir("run"), 1) is None
    record_death(["run", "never begun"], store, os.getpid(), End("died", "killed by SIGKILL"))
    assert read_end(store.run_dir("run"), 1) == End("died", "killed by SIGKILL")
    claim.end("interrupted")


def test_an_attempt_says_who_and_where(store):
    claim = claim_job("job", ["run"], store)
    attempt = read_attempt(store.run_dir("run"), 1)
    assert (attempt.pid, attempt.job_id, attempt.locked) == (os.getpid(), "job", True)
    assert dataclasses.asdict(attempt)["checkpoint_mtime_ns"] is None
    claim.end("completed")


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_a_machine_can_be_named_and_the_lease_set_from_outside():
    code = "from scaling_harness.execution.attempts import LEASE_S, kernel_id; print(kernel_id(), LEASE_S)"
    said = python(code, SCALING_HARNESS_KERNEL="node-7", SCALING_HARNESS_LEASE_S="9.5")
    assert said.stdout == "node-7 9.5\n"
