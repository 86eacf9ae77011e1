"""Finish the runs of a sweep without training, by records and curves of a law: what reads them has its usual work."""

import dataclasses
import json
import shutil
from collections.abc import Iterator

import numpy as np

from scaling_harness.execution.attempts import attempt_path
from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from scaling_harness.plan.plan import Job, Plan
from scaling_harness.record.provenance import now
from scaling_harness.record.record import RECORD_FILE, EvalLoss, RunRecord
from scaling_harness.record.store import Store
from scaling_harness.training.make_record import Measured, record_of
from scaling_harness.training.oversight import Oversight
from sweeps.planning.manifest import Manifest

_SPREAD = 0.003
"""Relative standard deviation of a loss between seeds."""
_ROWS, _EVALUATIONS, _GRADIENTS = 1000, 20, 40
"""Most rows of a curve, and its measurements: a curve of some 130 kB."""


def finish_all(manifest: Manifest, store: Store, seed: int = 0) -> None:
    """Write the attempt, record and curve of every run.

    Parameters
    ----------
    manifest : Manifest
        A sweep of which nothing has begun.
    store : Store
        Where its runs are stored.
    seed : int
        Of the noise of the losses.
    """
    rng = np.random.default_rng(seed)

    def finish(job: Job) -> list[RunRecord]:
        records = [_record(run, job, manifest, store, rng) for run in job.runs]
        for record in records:  # not as training does, which waits for the disk after each
            text = json.dumps(dataclasses.asdict(record), indent=1)
            (store.run_dir(record.run_id) / RECORD_FILE).write_text(text)
        return records

    first, *rest = manifest.jobs

    def train(job: Job, _runtime: object, _store: object, oversight: Oversight) -> list[RunRecord]:
        oversight.confirm()
        return finish(job)

    execute(first, manifest.runtime, store, Stop(), train)
    attempt = attempt_path(store.run_dir(first.job_id), 1)
    for job in rest:
        store.run_dir(job.job_id).mkdir(parents=True)
        shutil.copyfile(attempt, attempt_path(store.run_dir(job.job_id), 1))
        finish(job)


def _record(run: Plan, job: Job, manifest: Manifest, store: Store, rng: np.random.Generator) -> RunRecord:
    store.metrics_path(run.run_id).write_text("".join(_curve(run)))
    noise = np.exp(_SPREAD * rng.standard_normal())
    losses = {name: _loss(run, scale * noise, rng) for name, scale in (("valid", 1.03), ("test", 1.0))}
    measured = Measured(losses, 1.0, now(), [], manifest.runtime.device)
    record = record_of(run, job.job_id, manifest.runtime, store, None, measured)
    return dataclasses.replace(
        record, epochs=0.5, n_unique_tokens=2 * run.n_tokens, warnings=[]
    )  # else no law is fitted


def _loss(run: Plan, scale: float, rng: np.random.Generator) -> EvalLoss:
    loss = scale * float(_law(run, np.array(run.n_tokens)))
    return EvalLoss(loss, 0.004, 262144, [round(loss + 0.05 * x, 5) for x in rng.standard_normal(64).tolist()])


def _law(run: Plan, tokens: np.ndarray) -> np.ndarray:
    """A law like that of the tiers, in nats."""
    return 0.9 + 30 / run.n_params["with_head"] ** 0.35 + 60 / tokens**0.37


def _curve(run: Plan) -> Iterator[str]:
    """Rows as training writes them, for steps that are evenly spaced if there are many."""
    steps = np.unique(np.linspace(1, run.n_steps, min(run.n_steps, _ROWS)).astype(int))
    n_tokens = steps * run.batch_tokens
    losses = _law(run, n_tokens)
    evaluated, measured = max(1, len(steps) // _EVALUATIONS), max(1, len(steps) // _GRADIENTS)
    for i, (step, tokens, loss) in enumerate(zip(steps.tolist(), n_tokens.tolist(), losses.tolist(), strict=True), 1):
        at = f'{{"step": {step}, "tokens": {tokens}, "flops": {6.0 * run.n_params["with_head"] * tokens}'
        yield f'{at}, "loss": {loss:.9g}, "lr": {run.learning_rate:.9g}, "grad_norm": 0.5123456}}\n'
        if i % evaluated == 0:
            yield f'{at}, "valid_loss": {loss:.9g}, "valid_stderr": 0.03}}\n'
        if i % measured == 0:
            yield f'{at}, "grad_sq": {0.01 + 0.001 * (i % 7):.9g}, "grad_trace": {0.7 + 0.01 * (i % 5):.9g}}}\n'
