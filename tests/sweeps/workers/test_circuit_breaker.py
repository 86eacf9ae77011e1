import pytest

from scaling_harness.errors import HarnessError
from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from sweeps.workers import worker
from sweeps.workers.circuit_breaker import LIMIT, check_repeated_error


def fail(job, *_):
    seed = job.runs[0].config.seed
    if seed < 100:
        raise ValueError(f"step {seed} of {job.job_id} is {seed / 7} too much")
    raise KeyError("other")


@pytest.fixture
def failed(make_manifest):
    def make(*seeds):
        manifest, store = make_manifest(*seeds, max_attempts=1)
        for job in manifest.jobs:
            execute(job, manifest.runtime, store, Stop(), fail)
        return manifest, store

    return make


def test_several_jobs_that_die_of_one_error_stop_the_sweep(failed):
    manifest, store = failed(1, 22, 333)
    check_repeated_error(manifest.jobs, store, manifest.name)
    manifest, store = failed(1, 22, 3)
    first = rf"failed after 1 attempt: ValueError: step \d+ of {manifest.jobs[0].job_id} is \d.* too much"
    sentence = (
        rf"{LIMIT} of its jobs failed with the same error, the first: {first} .*sweep retry {manifest.name} --failed"
    )
    with pytest.raises(HarnessError, match=sentence):
        check_repeated_error(manifest.jobs, store, manifest.name)


def test_a_worker_leaves_the_rest_untried(make_manifest, monkeypatch):
    monkeypatch.setattr(worker, "LOOK_AGAIN_S", 0.01)
    manifest, store = make_manifest(*range(6), max_attempts=2)
    tried = []

    def note(job, *rest):
        tried.append(job.job_id)
        fail(job, *rest)

    with pytest.raises(HarnessError, match="the sweep is stopped"):
        worker.work(manifest.jobs, store, manifest.runtime, Stop(), note, manifest.name)
    failed = [run.run_id for run in manifest.runs if store.is_finished(run.run_id)]
    assert len(failed) == LIMIT
    assert all(tried.count(run_id) == 2 for run_id in failed)
