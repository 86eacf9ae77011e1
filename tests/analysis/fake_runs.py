"""Records of runs that nobody trained, and sweeps of them."""

import dataclasses
import json

from scaling_harness.record.record import METRICS_FILE, SCHEMA_VERSION, EvalLoss, RunRecord, write_record


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
        schema_version=SCHEMA_VERSION,
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
