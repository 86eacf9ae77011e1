"""What wandb is told of a run: its settings and counts at the start, its results at the end, under our own names."""

from dataclasses import dataclass
from typing import Any, Literal

from scaling_harness.plan.plan import Plan
from scaling_harness.record.record import RunRecord


@dataclass(frozen=True)
class Described:
    """A run as wandb is told of it when it starts."""

    run_id: str
    name: str
    job_type: Literal["train", "trunk"]
    """`trunk`: other runs branch from it, and its own learning rate does not decay."""
    config: dict[str, Any]


def describe_plan(plan: Plan) -> Described:
    """Describe a run before it has a record."""
    config = {**plan.science, **_counts(plan), "vocab_size": plan.data.vocab_size}
    return Described(plan.run_id, plan.name, "trunk" if plan.branches else "train", config)


def describe_record(record: RunRecord, is_trunk: bool) -> Described:
    """Describe a run that has ended, as `describe_plan` does."""
    config = {**record.config, **_counts(record), "vocab_size": record.data.get("vocab_size")}
    return Described(record.run_id, record.name, "trunk" if is_trunk else "train", config)


def summary_of(record: RunRecord, is_trunk: bool) -> dict[str, Any]:
    """Results of a run beside its counts; what is unknown is left out."""
    loss = record.loss
    results = {
        "status": "trunk" if is_trunk and record.status == "completed" else record.status,
        "reason": record.reason,
        "loss_nats": loss and loss.loss_nats,
        "loss_stderr_nats": loss and loss.stderr_nats,
        **{f"loss_nats_{name}": each.loss_nats for name, each in record.losses.items()},
        "train_loss_nats": record.train_loss_nats,
        "started": record.provenance.get("started"),
        "ended": record.provenance.get("ended"),
        "wall_s": record.wall_s,
        "tokens_per_s": record.tokens_per_s,
        "peak_memory_bytes": record.peak_memory_bytes,
    }
    return _counts(record) | {name: value for name, value in results.items() if value is not None}


def _counts(run: Plan | RunRecord) -> dict[str, Any]:
    """N and C by every count, D, and what the rules for learning rate and batch came to."""
    return {
        **{f"n_params_{name}": value for name, value in run.n_params.items()},
        "n_params_stored": sum(run.params.values()),
        "n_tokens": run.n_tokens,
        **{f"train_flops_{name}": value for name, value in run.train_flops.items()},
        "learning_rate": run.learning_rate,
        "batch_tokens": run.batch_tokens,
        "n_steps": run.n_steps,
        "epochs": run.epochs,
    }
