"""The plain baseline: a training loop for `gpt2` as researchers write it, after the description in nanoGPT's README.

Eager float32; AdamW with two groups, clipping, warm-up and cosine; every batch is drawn at random from a memory map.
It shares no code with our trainer, only with the planning and recording of runs. B batch, T time, V vocabulary.
"""

import time
from typing import TYPE_CHECKING

import numpy as np

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.plan.plan import Job, Plan
from scaling_harness.record.metrics_log import Curve
from scaling_harness.record.provenance import now
from scaling_harness.record.record import EvalLoss, RunRecord, write_record
from scaling_harness.record.store import Store
from scaling_harness.training.make_record import Measured, record_of
from scaling_harness.training.memory import forget_peak_memory
from scaling_harness.training.oversight import Oversight

if TYPE_CHECKING:
    import torch

LOG_STEPS = 10
"""Number of steps between two logged losses."""


def train(job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> list[RunRecord]:
    """Train the runs of a job, one after another, each from its start.

    Parameters
    ----------
    job : Job
        Job of an architecture that builds a plain module, such as `gpt2`.
    runtime : RuntimeConfig
        `threads` of the one process.
    store : Store
        Where curves and records are written.
    oversight : Oversight
        Called after every step.

    Returns
    -------
    list of RunRecord
    """
    return [_train_one(run, job.job_id, runtime, store, oversight) for run in job.runs]


def _train_one(run: Plan, job_id: str, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> RunRecord:
    import torch

    forget_peak_memory()
    torch.set_num_threads(runtime.threads)
    started, clock = now(), time.monotonic()
    curve = Curve(store.metrics_path(run.run_id), 0)
    try:
        loss = _loop(run, curve, oversight)
    finally:
        curve.close()
    diverged = None if loss else "the loss is not a number"
    measured = Measured({"valid": loss} if loss else {}, time.monotonic() - clock, started, [], "cpu")
    record = record_of(run, job_id, runtime, store, diverged, measured)
    write_record(store.run_dir(run.run_id), record)
    return record


def _loop(run: Plan, curve: Curve, oversight: Oversight) -> EvalLoss | None:
    """Train and return the final validation loss, or None if it is not finite."""
    import torch
    from torch.nn import functional as F

    from scaling_harness.data.batches import evaluation_windows
    from scaling_harness.data.token_cache import DataInfo, open_tokens
    from scaling_harness.models.language_model import UserModule
    from scaling_harness.models.registry import describe
    from scaling_harness.training.evaluate import evaluate

    torch.manual_seed(run.config.seed)
    V, T = run.data.vocab_size, run.config.model.n_ctx
    model = describe(run.config.model, V).build()
    optimizer = _optimizer(model, run)
    assert isinstance(run.data, DataInfo)
    tokens = open_tokens(run.data.train_path)
    for step in range(run.n_steps):
        for group in optimizer.param_groups:
            group["lr"] = run.lr_at(step)
        x_BT, y_BT = _batch(tokens, run.batch_seqs, T)
        loss = F.cross_entropy(model(x_BT).view(-1, V), y_BT.view(-1))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), run.config.optim.grad_clip or float("inf"))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % LOG_STEPS == 0 or step + 1 == run.n_steps:
            seen = (step + 1) * run.batch_tokens
            flops = seen * run.flops_per_token["6nd_with_head"]
            curve.step(step + 1, seen, flops, loss.item(), run.lr_at(step), norm.item())
        oversight.tick(step + 1)
    windows = evaluation_windows(open_tokens(run.data.valid_path), T, run.config.evaluation.final_n_tokens)
    loss = evaluate(UserModule(model, {}), windows, V, "cpu")
    return loss if np.isfinite(loss.loss_nats) else None


def _optimizer(model: "torch.nn.Module", run: Plan) -> "torch.optim.Optimizer":
    import torch

    optim, parameters = run.config.optim, list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": optim.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=run.learning_rate, betas=(optim.beta1, optim.beta2), eps=optim.eps)


def _batch(tokens: np.ndarray, n_seqs: int, n_ctx: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Draw windows that start anywhere, with replacement, as x_BT and y_BT."""
    import torch

    starts = torch.randint(len(tokens) - n_ctx, (n_seqs,)).tolist()
    x_BT = torch.stack([torch.from_numpy(tokens[i : i + n_ctx].astype(np.int64)) for i in starts])
    y_BT = torch.stack([torch.from_numpy(tokens[i + 1 : i + 1 + n_ctx].astype(np.int64)) for i in starts])
    return x_BT, y_BT
