"""Sweeps of fake runs: see `fake_training`."""

import dataclasses
from pathlib import Path

import pytest

from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import read_jsonl
from scaling_harness.record.store import Store
from sweeps.planning.expand import resolve_all
from sweeps.planning.manifest import Manifest, write_manifest


@pytest.fixture
def make_manifest(make_config, monkeypatch):
    """Make a sweep of one job for each seed, and write it; the fake trainer can be imported by its workers."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    config = make_config("runtime.workers=2")

    def make(*seeds: int, **runtime) -> tuple[Manifest, Store]:
        settings = dataclasses.replace(config.runtime, **runtime)
        configs = [dataclasses.replace(config, seed=seed, runtime=settings) for seed in seeds]
        jobs = tuple(Job((plan,)) for plan in resolve_all(configs))
        manifest = Manifest("fake", "does it hold?", 0, settings, config.wandb, jobs)
        store = Store(Path(settings.runs_dir))
        write_manifest(store.sweep_dir("fake"), manifest)
        return manifest, store

    return make


@pytest.fixture
def steps_taken():
    """Steps of a run in the order they were taken, by any process."""

    def read(store: Store, run_id: str) -> list[int]:
        return [row["step"] for row in read_jsonl(store.metrics_path(run_id))]

    return read


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """SLURM's commands on the PATH; see `fake_slurm`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from fake_slurm import FakeSlurm

    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", fake.path)
    return fake
