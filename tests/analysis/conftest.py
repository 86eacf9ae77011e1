"""Simulated truth, and the published tables where they are given."""

import dataclasses
import functools
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from scaling_harness.record.record import METRICS_FILE, EvalLoss, RunRecord, write_record

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
BUDGETS = tuple(np.geomspace(1e11, 3e12, 5))


@pytest.fixture
def truth():
    return TRUTH


@pytest.fixture
def isoflop(truth):
    """Five budgets, nine sizes, three seeds, noise 0.5 %."""
    return simulate.isoflop(truth, BUDGETS)


@pytest.fixture
def noise_free(truth):
    return simulate.isoflop(truth, BUDGETS, noise=0.0, seeds=1)


@pytest.fixture
def without_offset():
    """Losses that fall faster than any law with E > 0 allows."""
    params = {"E": 1e-12, "A": 45.0, "B": 160.0, "alpha": 0.2, "beta": 0.2}
    frame = simulate.isoflop(params, BUDGETS, noise=0.0, seeds=1)
    return frame.assign(L=frame.L**1.1)


@pytest.fixture(scope="session")
def published_dir():
    root = os.environ.get("SCALING_HARNESS_DATA")
    if not root or not (Path(root) / "published").is_dir():
        pytest.skip("SCALING_HARNESS_DATA does not name a directory with published/*.csv")
    return Path(root) / "published"


@pytest.fixture(scope="session")
def hoffmann240(published_dir):
    table = pd.read_csv(published_dir / "hoffmann_fig4_besiroglu.csv").nsmallest(240, "loss")
    frame = pd.DataFrame({"N": table["Model Size"], "C": table["Training FLOP"], "L": table["loss"]})
    return frame.assign(D=frame.C / (6 * frame.N))


def make_record(run_id, n_params, n_tokens, loss, seed=0, **changes):
    """A completed run of with-head N; the other counts are N / 2 and 2 N."""
    n_params = {"non_embedding": n_params // 2, "with_head": n_params, "total": 2 * n_params}
    model = {"n_layer": 2, "d_model": 64, "n_head": 4, "n_ctx": 128, "parametrisation": "mup"}
    config = {
        "model": model,
        "optim": {"lr": 0.01, "beta2": 0.95},
        "budget": {"batch_tokens": 512, "n_steps": n_tokens // 512},
        "seed": seed,
    }
    record = RunRecord(
        run_id=run_id,
        name=run_id,
        fingerprint=run_id,
        job_id=run_id,
        trunk=None,
        status="completed",
        reason=None,
        config=config,
        runtime={},
        params={},
        n_params=n_params,
        n_tokens=n_tokens,
        n_unique_tokens=10**9,
        epochs=n_tokens / 10**9,
        n_steps=n_tokens // 512,
        batch_tokens=512,
        learning_rate=0.01,
        train_flops={f"6nd_{name}": 6.0 * n * n_tokens for name, n in n_params.items()},
        spent_flops=6.0 * n_params["with_head"] * n_tokens,
        losses={"valid": EvalLoss(loss, 0.001, 4096), "code": EvalLoss(loss + 1, 0.001, 4096)},
        train_loss_nats=loss,
        noise=None,
        wall_s=2.0,
        tokens_per_s=n_tokens / 2.0,
        peak_memory_bytes=10**8,
        architecture_source=None,
        data={"data_id": "abc", "vocab_size": 256},
        provenance={
            "commit": "0" * 40,
            "dirty": False,
            "started": "2026-01-01T00:00:00+00:00",
            "ended": "2026-01-01T00:04:30+00:00",
        },
    )
    return dataclasses.replace(record, **changes)


def write_run(store, record, curve=()):
    write_record(store / record.run_id, record)
    (store / record.run_id / METRICS_FILE).write_text("".join(json.dumps(row) + "\n" for row in curve))


def write_manifest(directory, run_ids):
    jobs = [{"job_id": run_id, "needs": [], "runs": [{"run_id": run_id}]} for run_id in run_ids]
    directory.mkdir()
    (directory / "sweep.json").write_text(json.dumps({"schema_version": 1, "jobs": jobs}))


def write_sweep(directory, records, curves=None, unfinished=()):
    """Records as a store and a sweep beside it; gives the sweep's path."""
    for record in records:
        write_run(directory / "store", record, (curves or {}).get(record.run_id, ()))
    write_manifest(directory / "sweep", [record.run_id for record in records] + list(unfinished))
    return directory / "sweep"


@pytest.fixture
def make_sweep(tmp_path):
    return functools.partial(write_sweep, tmp_path)


@pytest.fixture
def record():
    return make_record


@pytest.fixture(scope="session")
def simulated_sweep(tmp_path_factory):
    """The IsoFLOP grid as records with curves that follow the same law in tokens seen, and measured gradients."""
    records, curves = [], {}
    for i, run in enumerate(simulate.isoflop(TRUTH, BUDGETS).itertuples()):
        made = make_record(f"run{i}", round(run.N), round(run.D), run.L, seed=int(run.seed))
        records.append(made)
        tokens = np.geomspace(made.n_tokens / 200, made.n_tokens, 40)
        noise = run.L / chinchilla.predict(TRUTH, N=run.N, D=run.D)
        losses = chinchilla.predict(TRUTH, N=run.N, D=tokens) * noise
        curves[made.run_id] = [
            {"step": k, "tokens": t, "loss": x + 0.1, "valid_loss": x, "grad_sq": 0.2 + k % 3 / 20, "grad_trace": 2.0}
            for k, (t, x) in enumerate(zip(tokens.tolist(), losses.tolist(), strict=True))
        ]
    return write_sweep(tmp_path_factory.mktemp("simulated"), records, curves)


@pytest.fixture(scope="session")
def simulated_report(simulated_sweep, tmp_path_factory):
    """The report of that sweep, and with it the one analysis that tests read; of its slow figures it draws one."""
    from analysis.report import figures as report_figures
    from analysis.report.write import write_report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_figures, "CATALOGUE", report_figures.CATALOGUE[:1])
        return write_report(simulated_sweep, tmp_path_factory.mktemp("report"), resamples=60)


@pytest.fixture
def one_law(monkeypatch):
    """An analysis ranks one law alone: five take most of its time, and most tests do not look at them."""
    from analysis.report import summary

    monkeypatch.setattr(summary, "RANKED", summary.RANKED[:1])


@pytest.fixture(scope="session")
def simulated_analysis(simulated_report):
    return simulated_report.analysis
