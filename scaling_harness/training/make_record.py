"""Make the record of a run from its plan and what was measured, however the run ended."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.plan.plan import Plan
from scaling_harness.record.atomic_files import read_jsonl
from scaling_harness.record.gradient_noise_scale import summary
from scaling_harness.record.metrics_log import best_checkpoint, last_tenth_loss, measurements
from scaling_harness.record.provenance import now, provenance
from scaling_harness.record.record import SCHEMA_VERSION, EvalLoss, RunRecord, Status
from scaling_harness.record.store import Store
from scaling_harness.training.memory import peak_memory_bytes


@dataclass(frozen=True)
class Measured:
    """Measurements and circumstances of the training of one run."""

    losses: dict[str, EvalLoss]
    """Final losses; empty if the run did not complete."""
    wall_s: float
    """Its share of the job's seconds."""
    started: str
    warnings: list[str]
    device: str
    trunk: str | None = None
    """run_id of the trunk that it continued; None if it took all steps itself."""
    start: int = 0
    """Number of steps that its trunk took."""


def record_of(
    run: Plan,
    job_id: str,
    runtime: RuntimeConfig,
    store: Store,
    stopped: str | None,
    measured: Measured,
    status: Status = "diverged",
) -> RunRecord:
    """Describe a run that has ended.

    Parameters
    ----------
    run : Plan
        Plan of the run.
    job_id : str
        Job that the run was part of.
    runtime : RuntimeConfig
        Where and how it was trained.
    store : Store
        Store with the run's curve, which shows how many steps it took.
    stopped : str or None
        Sentence that says why it did not complete; None if it did.
    measured : Measured
        Measurements of the training.
    status : str
        Status if it did not complete.

    Returns
    -------
    RunRecord
    """
    path = store.metrics_path(run.run_id)
    n_steps = run.n_steps - measured.start if stopped is None else _steps_done(path)
    tokens, spent_flops = run.spent(n_steps)
    warnings = list(measured.warnings)
    if run.epochs > 1:
        warnings.append(f"training tokens were repeated: {run.epochs:.2f} epochs")
    if stopped is not None:
        warnings.append("the run did not complete: it has no final losses")
    return RunRecord(
        run_id=run.run_id,
        name=run.name,
        fingerprint=run.fingerprint,
        job_id=job_id,
        trunk=measured.trunk,
        status="completed" if stopped is None else status,
        reason=stopped,
        config=run.science,
        runtime=dataclasses.asdict(runtime) | {"device": measured.device},
        params=run.params,
        n_params=run.n_params,
        n_tokens=run.n_tokens,
        n_unique_tokens=run.n_unique_tokens,
        epochs=run.epochs,
        n_steps=run.n_steps,
        batch_tokens=run.batch_tokens,
        learning_rate=run.learning_rate,
        train_flops=run.train_flops,
        spent_flops=spent_flops,
        losses=measured.losses,
        best=best_checkpoint(path),
        train_loss_nats=last_tenth_loss(path, run.n_steps) if stopped is None else None,
        noise=_noise(path, run) if stopped is None else None,
        wall_s=measured.wall_s,
        tokens_per_s=tokens / measured.wall_s if measured.wall_s > 0 else 0.0,
        peak_memory_bytes=peak_memory_bytes(measured.device),
        data=run.data.for_record(),
        architecture_source=run.architecture_source,
        provenance={**provenance(), "started": measured.started, "ended": now()},
        warnings=warnings,
        schema_version=SCHEMA_VERSION,
    )


def _noise(path: Path, run: Plan) -> dict[str, Any] | None:
    evaluation, n_ctx = run.config.evaluation, run.config.model.n_ctx
    if not evaluation.noise_every:
        return None
    return summary(measurements(path), run.n_steps, evaluation.noise_seqs, n_ctx)


def _steps_done(path: Path) -> int:
    """Count the steps in a curve; that of a branch has only its own."""
    return sum("loss" in row for row in read_jsonl(path))
