"""Begin, go on, extend, retry: with training replaced by a note of what it was asked."""

import dataclasses

import pytest

from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.provenance import code_version
from scaling_harness.record.store import Store
from sweeps.launchers import launch
from sweeps.launchers.local import LocalLauncher
from sweeps.planning.manifest import Manifest, read_manifest

OLD = "rooms-000000000000"


@pytest.fixture
def trained(monkeypatch):
    """Manifests that were to be trained here."""
    asked = []

    def start(_launcher, manifest, _store):
        asked.append(manifest)
        return True

    monkeypatch.setattr(LocalLauncher, "start", start)
    return asked


@pytest.fixture
def sweep(make_plan, tmp_path):
    """A sweep of two runs, as planned with some version of the code, and its store."""
    plans = [make_plan(f"seed={seed}") for seed in (0, 1)]
    config = plans[0].config
    jobs = tuple(Job((plan,)) for plan in plans)
    return Manifest("two", "?", 0, config.runtime, config.wandb, jobs), Store(tmp_path / "runs")


def fail(run, store):
    """Leave what a run that failed for good leaves."""
    folder = store.run_dir(run.run_id)
    write_text(folder / "attempt-0001.json", "")
    write_text(folder / "record.json", '{"status": "failed", "reason": "it broke", "losses": {}, "wall_s": 0.0}')


def test_a_sweep_begins_goes_on_and_grows_only_when_told(sweep, trained):
    manifest, store = sweep
    first = dataclasses.replace(manifest, jobs=manifest.jobs[:1])
    assert not launch.is_started("two", store)
    assert launch.begin_or_resume(first, store) == 0
    assert launch.is_started("two", store)
    with pytest.raises(UserError, match="sweep extend"):
        launch.begin_or_resume(manifest, store)
    assert launch.extend(manifest, store) == (1, 2)
    assert launch.extend(manifest, store) == (0, 2)
    assert launch.begin_or_resume(first, store) == 0
    assert [len(asked.runs) for asked in trained] == [1, 2]


def test_failed_runs_go_on_with_the_code_that_is_here_if_the_user_agrees(sweep, trained):
    """A node compares its code with that of the manifest: the one of the last launch has to stand in it."""
    manifest, store = sweep
    launch.launch(dataclasses.replace(manifest, code=OLD), store)
    failed = manifest.runs[0]
    fail(failed, store)
    with pytest.raises(UserError, match="--mix-versions"):
        launch.retry_failed("two", store)
    assert store.is_finished(failed.run_id)
    assert launch.retry_failed("two", store, mix_versions=True) == 0
    assert not store.is_finished(failed.run_id)
    assert trained[-1].code == read_manifest(store.sweep_dir("two")).code == code_version()
    assert trained[-1].runtime.mix_versions


def test_what_one_retry_was_told_does_not_count_for_the_next(sweep, trained):
    manifest, store = sweep
    launch.launch(manifest, store)
    for mix_versions in (True, False):
        fail(manifest.runs[0], store)
        assert launch.retry_failed("two", store, mix_versions) == 0
        assert trained[-1].runtime.mix_versions is mix_versions
