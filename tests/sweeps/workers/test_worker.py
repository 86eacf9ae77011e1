import dataclasses
import os

import pytest

from scaling_harness.execution.attempts import attempt_numbers, read_attempt, read_end
from scaling_harness.execution.claim import claim_job
from scaling_harness.execution.signals import Stop
from scaling_harness.plan.plan import Job
from sweeps.workers import worker
from sweeps.workers.worker import main, work

UNLUCKY = "ValueError: the seed is unlucky (fake_training.py, line 50)"


@pytest.fixture
def fake(make_manifest, monkeypatch):
    """A sweep of some seeds, the fake trainer that records the order of jobs, and no pauses."""
    monkeypatch.setattr(worker, "LOOK_AGAIN_S", 0.01)

    def make(*seeds):
        import fake_training

        manifest, store = make_manifest(*seeds)
        order = []

        def train(job, *rest):
            order.append(job.job_id)
            return fake_training.train(job, *rest)

        return manifest, store, order, train

    return make


def test_jobs_are_trained_in_order_and_once(fake, steps_taken):
    manifest, store, order, train = fake(1, 2, 3)
    work(manifest.jobs, store, manifest.runtime, Stop(), train, manifest.name)
    work(manifest.jobs, store, manifest.runtime, Stop(), train, manifest.name)
    assert order == [job.job_id for job in manifest.jobs]
    for run in manifest.runs:
        assert steps_taken(store, run.run_id) == list(range(1, run.n_steps + 1))


def test_a_job_that_always_fails_does_not_hold_up_the_rest(fake):
    manifest, store, order, train = fake(100, 1)
    work(manifest.jobs, store, manifest.runtime, Stop(), train, manifest.name)
    bad, good = manifest.runs
    assert order.count(bad.run_id) == manifest.runtime.max_attempts
    assert order[1] == good.run_id
    assert (
        store.read(bad.run_id).reason
        == "failed after 3 attempts: ValueError: the seed is unlucky (fake_training.py, line 50)"
    )
    assert store.read(good.run_id).status == "completed"


def test_a_job_waits_for_those_it_needs(fake):
    manifest, store, order, train = fake(1, 2)
    branch, trunk = manifest.jobs
    branch = dataclasses.replace(branch, runs=(dataclasses.replace(branch.runs[0], trunk=trunk.job_id),))
    work((branch, trunk), store, manifest.runtime, Stop(), train, manifest.name)
    assert order == [trunk.job_id, branch.job_id]


def test_a_taken_job_is_left_alone_until_it_is_free(fake):
    manifest, store, order, train = fake(1, 2)
    taken, free = manifest.jobs
    claim = claim_job(taken.job_id, [taken.runs[0].run_id], store)

    def let_go(job, *rest):
        records = train(job, *rest)
        if job.job_id == free.job_id:
            claim.end("interrupted")
        return records

    work(manifest.jobs, store, manifest.runtime, Stop(), let_go, manifest.name)
    assert order == [free.job_id, taken.job_id]


def test_a_stop_ends_it_between_and_within_jobs(fake):
    manifest, store, order, train = fake(1, 2)
    stop = Stop()

    def then_stop(job, *rest):
        stop.requested = True
        return train(job, *rest)

    work(manifest.jobs, store, manifest.runtime, stop, then_stop, manifest.name)
    assert order == [manifest.jobs[0].job_id]
    assert not store.is_finished(order[0])
    assert store.checkpoint_path(order[0]).exists()


def test_isolated_jobs_fail_and_die_in_processes_of_their_own(make_manifest):
    manifest, store = make_manifest(200, 100, max_attempts=2, isolate=True)
    assert main([str(store.sweep_dir("fake")), "--train", "fake_training:train"]) == 0
    killed, raises = (store.run_dir(run.run_id) for run in manifest.runs)
    assert [read_end(killed, number).outcome for number in attempt_numbers(killed)] == ["died", "completed"]
    assert "killed by SIGKILL" in read_end(killed, 1).reason
    assert read_attempt(killed, 1).pid == read_attempt(killed, 2).pid == os.getpid()
    assert (
        store.read(raises.name).reason
        == "failed after 2 attempts: ValueError: the seed is unlucky (fake_training.py, line 50)"
    )


def test_the_command_trains_a_sweep_and_says_what_is_wrong(make_manifest, tmp_path, capsys):
    manifest, store = make_manifest(1)
    assert main([str(store.sweep_dir("fake")), "--train", "fake_training:train"]) == 0
    assert store.is_finished(Job((manifest.runs[0],)).job_id)
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err
