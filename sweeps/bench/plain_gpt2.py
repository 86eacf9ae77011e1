"""The plain baseline: a training loop for `gpt2` as researchers write it, after the description in nanoGPT's README.

Eager float32; AdamW with two groups, clipping, warm-up and cosine; every batch is drawn at random from a memory map.
It shares no code with our trainer, only with the planning and recording of runs. B batch, T time, V vocabulary.
"""

import time
from typing import TYPE_CHECKING

import numpy as np

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.data.batches import evaluation_windows
from scaling_harness.data.token_cache import DataInfo, open_tokens
from scaling_harness.models.registry import describe
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
    from scaling_harness.models.language_model import UserModule
    from scaling_harness.training.evaluate import evaluate

    plain = PlainTraining(run)
    for step in range(run.n_steps):
        loss, norm = plain.step(step)
        if step % LOG_STEPS == 0 or step + 1 == run.n_steps:
            seen = (step + 1) * run.batch_tokens
            flops = seen * run.flops_per_token["6nd_with_head"]
            curve.step(step + 1, seen, flops, loss.item(), run.lr_at(step), norm.item())
        oversight.tick(step + 1)
    assert isinstance(run.data, DataInfo)
    tokens, n_ctx = open_tokens(run.data.valid_path), run.config.model.n_ctx
    windows = evaluation_windows(tokens, n_ctx, run.config.evaluation.final_n_tokens)
    loss = evaluate(UserModule(plain.model, {}), windows, run.data.vocab_size, "cpu")
    return loss if np.isfinite(loss.loss_nats) else None


class PlainTraining:
    """The model, optimizer and tokens of the loop, and its step.

    Parameters
    ----------
    run : Plan
        A run of an architecture that builds a plain module.
    device : str
        Its device; on a GPU batches are pinned and AdamW is fused, as nanoGPT has it.
    dtype : {"float32", "bfloat16"}
        By autocast.
    compiled : bool
        Whether the model goes through `torch.compile`, with its default settings.
    """

    def __init__(self, run: Plan, device: str = "cpu", dtype: str = "float32", compiled: bool = False) -> None:
        import torch

        torch.manual_seed(run.config.seed)
        self._run, self._device, self._low = run, device, dtype == "bfloat16"
        self.model = describe(run.config.model, run.data.vocab_size).build().to(device)
        if compiled:
            torch.compiler.reset()  # what was compiled for other shapes counts against a limit
        self._logits = torch.compile(self.model) if compiled else self.model
        self._optimizer = _optimizer(self.model, run, fused=device != "cpu")
        assert isinstance(run.data, DataInfo)
        tokens = open_tokens(run.data.train_path)
        assert isinstance(tokens, np.ndarray)
        self._tokens = tokens

    def step(self, step: int) -> "tuple[torch.Tensor, torch.Tensor]":
        """Take a step; return the loss and the gradient's norm before clipping."""
        import torch
        from torch.nn import functional as F

        run = self._run
        for group in self._optimizer.param_groups:
            group["lr"] = run.lr_at(step)
        x_BT, y_BT = (self._moved(part) for part in _batch(self._tokens, run.batch_seqs, run.config.model.n_ctx))
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self._low):
            loss = F.cross_entropy(self._logits(x_BT).view(-1, run.data.vocab_size), y_BT.view(-1))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), run.config.optim.grad_clip or float("inf"))
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss.detach(), norm

    def _moved(self, part_BT: "torch.Tensor") -> "torch.Tensor":
        return part_BT if self._device == "cpu" else part_BT.pin_memory().to(self._device, non_blocking=True)


def _optimizer(model: "torch.nn.Module", run: Plan, fused: bool) -> "torch.optim.Optimizer":
    import torch

    optim, parameters = run.config.optim, list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": optim.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    betas = (optim.beta1, optim.beta2)
    return torch.optim.AdamW(groups, lr=run.learning_rate, betas=betas, eps=optim.eps, fused=fused or None)


def _batch(tokens: np.ndarray, n_seqs: int, n_ctx: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Draw windows that start anywhere, with replacement, as x_BT and y_BT."""
    import torch

    starts = torch.randint(len(tokens) - n_ctx, (n_seqs,)).tolist()
    x_BT = torch.stack([torch.from_numpy(tokens[i : i + n_ctx].astype(np.int64)) for i in starts])
    y_BT = torch.stack([torch.from_numpy(tokens[i + 1 : i + 1 + n_ctx].astype(np.int64)) for i in starts])
    return x_BT, y_BT
