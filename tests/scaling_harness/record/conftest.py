"""A sweep of three runs as training leaves it: one completed, one failed, one not finished."""

import json

import pytest

from scaling_harness.record.record import METRICS_FILE, SCHEMA_VERSION, EvalLoss, RunRecord, write_record
from scaling_harness.record.sweep_listing import ListedJob, ListedRun, SweepListing, write_listing

BASE = {"model": {"d_model": 16}, "seed": 0}
LISTING = SweepListing(
    name="mine",
    jobs=(
        ListedJob(
            "stack2-0", (ListedRun("b", 100, 3e6, "b" * 64), ListedRun("a", 100, 3e6, "a" * 64, None, (), {"seed": 1}))
        ),
        ListedJob("c", (ListedRun("c", 50, 1e6, "c" * 64, "b", (), {"seed": 2}),)),
    ),
    question="Does it?",
    hold_out=2,
    law="tied",
    aims={"decades": 2.0},
    base=BASE,
    launch={"runtime": {"runs_dir": "/secret"}, "wandb": {}, "launcher": {}, "code": None, "data": []},
)


def training_row(step):
    return {
        "step": step,
        "tokens": 32 * step,
        "flops": 3e4 * step,
        "loss": 5.0 - step / 70,
        "lr": 0.01,
        "grad_norm": 1.5,
    }


def evaluation_row(step):
    return {"step": step, "tokens": 32 * step, "flops": 3e4 * step, "valid_loss": 5.1 - step / 70, "valid_stderr": 0.01}


def noise_row(step):
    return {"step": step, "tokens": 32 * step, "flops": 3e4 * step, "grad_sq": 0.25, "grad_trace": None}


def make_curve(n_steps=100, n_evaluations=10):
    rows = []
    for step in range(1, n_steps + 1):
        rows.append(training_row(step))
        if n_evaluations and step % (n_steps // n_evaluations) == 0:
            rows.append(evaluation_row(step))
        if step % 33 == 0:
            rows.append(noise_row(step))
    return rows


def make_record(run_id, **changes):
    fields = dict(
        run_id=run_id,
        name=run_id,
        fingerprint=run_id * 64,
        job_id=run_id,
        trunk=None,
        status="completed",
        reason=None,
        config=BASE,
        architecture_source=None,
        runtime={},
        params={"head": 4096},
        n_params={"with_head": 4096},
        n_tokens=3200,
        n_unique_tokens=4096,
        epochs=0.25,
        n_steps=100,
        batch_tokens=32,
        learning_rate=0.002,
        train_flops={"6nd_with_head": 2.5e7},
        spent_flops=2.5e7,
        losses={"valid": EvalLoss(2.512345678901234, 0.01, 4096)},
        train_loss_nats=2.6,
        noise=None,
        wall_s=1.0,
        tokens_per_s=1024.0,
        peak_memory_bytes=1,
        data={"data_id": "x"},
        provenance={"commit": "0" * 40},
    )
    return RunRecord(**{**fields, "schema_version": SCHEMA_VERSION, **changes})


@pytest.fixture
def listing():
    return LISTING


@pytest.fixture
def curve():
    return make_curve


@pytest.fixture
def record():
    return make_record


@pytest.fixture
def sweep(tmp_path):
    """Folder of the sweep; its store is beside it."""
    runs_dir = tmp_path / "runs"
    write_listing(runs_dir / "mine", LISTING)
    for record in (make_record("b"), make_record("a", status="failed", reason="out of memory", losses={})):
        folder = runs_dir / "store" / record.run_id
        write_record(folder, record)
        (folder / METRICS_FILE).write_text("".join(json.dumps(row) + "\n" for row in make_curve()))
    return runs_dir / "mine"
