"""The commands of `bench law`: each in its time, one run after another; `analysis` tests what is compared."""

import sys

import pytest

from scaling_harness.cli import main
from scaling_harness.errors import HarnessError
from scaling_harness.record.store import Store
from sweeps.bench import plain_gpt2, train_plain
from sweeps.bench.time_to_law import run_for
from sweeps.planning.expand import group_into_jobs
from sweeps.planning.manifest import Manifest, write_manifest


def test_the_baseline_trains_one_run_after_another_the_cheapest_first(make_plan, tmp_path, monkeypatch):
    baseline = ("model=gpt2", "model.d_head=16", "optim=gpt2")
    plans = [make_plan(*baseline, f"budget.n_tokens={n}") for n in (64, 192, 128)]
    store, order = Store(tmp_path), []

    def train(job, runtime, *rest):
        order.append(job.runs[0].n_tokens)
        return plain_gpt2.train(job, runtime, *rest)

    monkeypatch.setattr(train_plain, "train", train)
    monkeypatch.setattr(train_plain.os, "cpu_count", lambda: 1)
    runtime = plans[0].config.runtime
    write_manifest(
        store.sweep_dir("plain"), Manifest("plain", "", 0, runtime, plans[0].config.wandb, group_into_jobs(plans, 1))
    )
    assert train_plain.main([str(store.sweep_dir("plain"))]) == 0
    assert order == [64, 128, 192]
    assert all(store.read(plan.run_id).status == "completed" for plan in plans)
    assert train_plain.main([str(store.sweep_dir("plain"))]) == 0
    assert len(order) == 3


def test_a_command_is_stopped_when_its_time_is_over():
    run_for([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.2)


def test_a_command_that_fails_is_an_error():
    with pytest.raises(HarnessError, match="failed"):
        run_for([sys.executable, "-c", "raise SystemExit(1)"])


def test_no_time_left_is_no_command():
    run_for([sys.executable, "-c", "raise SystemExit(1)"], seconds=0.0)


def test_bench_law_refuses_no_trials(capsys):
    assert main(["bench", "law", "--trials=0"]) == 2
    assert "--trials at least 1" in capsys.readouterr().err
