"""Train a job: R runs of one shape in lockstep, from plans to records. Plain training is R = 1.

R run, B sequences of a batch, T time.
"""

import contextlib
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from scaling_harness import architecture, checkpoint
from scaling_harness.batches import BatchSampler, evaluation_windows
from scaling_harness.claim import Interrupted, Oversight
from scaling_harness.config import RuntimeConfig
from scaling_harness.curve import Curve
from scaling_harness.errors import HarnessError
from scaling_harness.evaluate import evaluate
from scaling_harness.memory import forget_peak_memory, limit_gpu_memory
from scaling_harness.model import Decoder, LanguageModel, OneRun
from scaling_harness.noise import measure, next_windows
from scaling_harness.noise_scale import Measurement
from scaling_harness.optim import FlatAdamW
from scaling_harness.outcome import Measured, record_of
from scaling_harness.parallel import Ranks
from scaling_harness.plan import Job, Plan
from scaling_harness.provenance import now
from scaling_harness.record import RunRecord, write_record
from scaling_harness.store import Store
from scaling_harness.tokens import open_tokens

FLUSH_STEPS = 50
"""Losses stay on the device this long: reading each at once would hold a GPU up."""
DIVERGED_FACTOR = 2.0
"""A loss above this multiple of the first one ends a run as diverged."""


def train(job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> list[RunRecord]:
    """Train every run of a job, from its last checkpoint where there is one.

    Parameters
    ----------
    job : Job
        Runs that differ in seed or learning rate alone.
    runtime : RuntimeConfig
        Where and how.
    store : Store
        Where curves, checkpoint and records go.
    oversight : Oversight
        Told after every step; may ask for a stop.

    Returns
    -------
    list of RunRecord
        In the order of the job's runs; each is written as `record.json`, which ends its run.

    Raises
    ------
    Interrupted
        The oversight asked for a stop; the checkpoint is saved.
    ClaimLost
        Another process has taken the job over; nothing was written.
    """
    forget_peak_memory()
    with _Training(job, runtime, store, oversight) as training:
        try:
            while training.step < job.runs[0].n_steps:
                training.advance()
                training.ranks.tick(oversight, training.step)
        except Interrupted:
            training.save()
            raise
        return training.finish()


@dataclass
class _Recent:
    """Steps whose losses have not been read back from the device."""

    losses: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)


class _Training(contextlib.AbstractContextManager["_Training"]):
    """A job in progress: model, optimizer, curves, and how far it is."""

    def __init__(self, job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> None:
        self.runs, self.job_id, self.runtime, self.store, self.oversight = (
            job.runs,
            job.job_id,
            runtime,
            store,
            oversight,
        )
        torch.set_num_threads(runtime.threads)
        self.ranks = Ranks()
        self.device = self.ranks.join(runtime.device)
        limit_gpu_memory(self.device, runtime.gpu_share)
        first = self.runs[0]
        self.model = build_model(self.runs).to(self.device)
        self.optimizer = build_optimizer(self.model, first)
        self.loss = torch.compile(self.model.loss) if runtime.compile else self.model.loss
        tokens = open_tokens(first.data.train_path)
        seqs, n_ctx = first.batch_seqs, first.config.model.n_ctx
        self.samplers = [BatchSampler(tokens, n_ctx, seqs, run.config.seed) for run in self.runs]
        self.windows = evaluation_windows(open_tokens(first.data.valid_path), n_ctx, first.config.evaluation.n_tokens)
        self.warnings: list[str] = []
        self.started, self.recent = now(), _Recent()
        self._resume()

    def _resume(self) -> None:
        fingerprints = [run.fingerprint for run in self.runs]
        found = checkpoint.load(self.store.checkpoint_path(self.job_id), fingerprints, self.device)
        if isinstance(found, str):
            self.warnings.append(found)
        n_bytes: tuple[int, ...] = (0,) * len(self.runs)
        self.step, self.wall_s = 0, 0.0
        self.first_losses: list[float] = []
        self.diverged: dict[int, str] = {}
        if isinstance(found, tuple):
            state, progress = found
            self.optimizer.load_state_dict(state)
            n_bytes, self.step, self.wall_s = progress.metrics_bytes, progress.step, progress.wall_s
            self.first_losses, self.diverged = list(progress.first_losses), dict(progress.diverged)
        self.ranks.wait()
        self.curves = (
            [Curve(self.store.metrics_path(run.run_id), size) for run, size in zip(self.runs, n_bytes, strict=True)]
            if self.ranks.writes
            else []
        )
        self.clock = self.saved = time.monotonic()

    def __exit__(self, *_: object) -> None:
        for curve in self.curves:
            curve.close()
        if self.runtime.device == "cuda":
            # A worker keeps the process, not the memory: another run may be there alone.
            del self.model, self.optimizer, self.loss
            torch.cuda.empty_cache()

    def advance(self) -> None:
        """Take one step, and whatever is due after it."""
        batch = np.stack([sampler.batch(self.step) for sampler in self.samplers])
        mine = batch[:, self.ranks.rank :: self.ranks.size]
        loss_R = self._accumulate(torch.from_numpy(mine).to(self.device, non_blocking=True))
        self.ranks.average_(self.optimizer.gradients_RP)
        self.ranks.average_(loss_R)
        lr_R = [0.0 if r in self.diverged else run.lr_at(self.step) for r, run in enumerate(self.runs)]
        self.recent.losses.append(loss_R)
        self.recent.norms.append(self.optimizer.step(lr_R, self.runs[0].config.optim.grad_clip))
        self.step += 1
        is_point = self.step in self.runs[0].eval_steps
        is_noise = self.runs[0].measures_noise_at(self.step)
        if is_point or is_noise or len(self.recent.losses) == FLUSH_STEPS:
            self._flush()
        if is_point:
            self._validate()
        if is_noise:
            self._measure_noise()
        if time.monotonic() - self.saved > self.runtime.checkpoint_every_s:
            self.save()

    def _accumulate(self, batch_RBT: Tensor) -> Tensor:
        """Leave the gradients of the batch in the optimizer's buffer; return loss_R."""
        n_seqs = batch_RBT.shape[1]
        at_once = self.runtime.micro_batch or n_seqs
        total_R = torch.zeros(len(self.runs), device=self.device)
        for start in range(0, n_seqs, at_once):
            part = batch_RBT[:, start : start + at_once]
            with self._autocast():
                loss_R = self.loss(part[:, :, :-1], part[:, :, 1:]) * (part.shape[1] / n_seqs)
            self.optimizer.backward(loss_R, accumulate=start > 0)
            total_R += loss_R.detach()
        return total_R

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.runtime.dtype == "bfloat16")

    def _flush(self) -> None:
        """Read the recent losses back, look for divergence, and add them to the curves."""
        losses = torch.stack(self.recent.losses).tolist()
        norms = torch.stack(self.recent.norms).tolist()
        self.recent = _Recent()
        if not self.first_losses:
            self.first_losses = losses[0]
        for r, run in enumerate(self.runs):
            before = self.step - len(losses)
            for i in range(len(losses)):
                if r not in self.diverged:
                    self._add_row(r, run, before + i, losses[i][r], norms[i][r])
        for curve in self.curves:
            curve.flush()

    def _add_row(self, r: int, run: Plan, step: int, loss: float, norm: float) -> None:
        if not loss <= DIVERGED_FACTOR * self.first_losses[r]:
            limit = f"{DIVERGED_FACTOR:g} times its first, {self.first_losses[r]:.4g}"
            self.diverged[r] = f"the loss was {loss:.4g} nats at step {step + 1}, above {limit}"
        if self.curves:
            tokens = (step + 1) * run.batch_tokens
            flops = tokens * run.flops_per_token["6nd_with_head"]
            self.curves[r].step(step + 1, tokens, flops, loss, run.lr_at(step), norm)

    def _validate(self) -> None:
        if not self.curves:
            return
        losses = evaluate(self.model, self.windows, self.runs[0].data.vocab_size, self.device)
        tokens = self.step * self.runs[0].batch_tokens
        flops = tokens * self.runs[0].flops_per_token["6nd_with_head"]
        for r, loss in enumerate(losses):
            if r not in self.diverged:
                self.curves[r].evaluation(self.step, tokens, flops, loss)

    def _measure_noise(self) -> None:
        """Add the gradient noise scale at the present parameters to the curves."""
        for r, curve in enumerate(self.curves):
            run = self.runs[r]
            if r not in self.diverged:
                windows = next_windows(self.samplers[r], self.step, run.config.evaluation.noise_seqs)
                with self._autocast():
                    found = measure(self.model, r, torch.from_numpy(windows).to(self.device))
                tokens = self.step * run.batch_tokens
                flops = tokens * run.flops_per_token["6nd_with_head"]
                curve.noise(tokens, flops, Measurement(self.step, *found), run.config.model.n_ctx)

    def save(self) -> None:
        """Write a checkpoint, unless the job is no longer ours."""
        if not self.curves:
            return
        if self.recent.losses:
            self._flush()
        self.oversight.confirm()
        self._count_time()
        progress = checkpoint.Progress(
            step=self.step,
            wall_s=self.wall_s,
            metrics_bytes=tuple(curve.sync() for curve in self.curves),
            first_losses=tuple(self.first_losses),
            diverged=self.diverged,
        )
        path = self.store.checkpoint_path(self.job_id)
        checkpoint.save(path, [run.fingerprint for run in self.runs], self.optimizer.state_dict(), progress)
        self.saved = time.monotonic()

    def finish(self) -> list[RunRecord]:
        """Evaluate, write the records, and drop the checkpoint, which nothing needs any more."""
        if not self.curves:
            return []
        losses = self._final_losses()
        for curve in self.curves:
            curve.sync()
        self._count_time()
        self.oversight.confirm()
        records = []
        for r, run in enumerate(self.runs):
            mine = {} if r in self.diverged else {name: of_runs[r] for name, of_runs in losses.items()}
            measured = Measured(mine, self.wall_s / len(self.runs), self.started, self.warnings, self.device)
            records.append(record_of(run, self.job_id, self.runtime, self.store, self.diverged.get(r), measured))
            write_record(self.store.run_dir(run.run_id), records[-1])
        self.store.checkpoint_path(self.job_id).unlink(missing_ok=True)
        return records

    def _final_losses(self) -> dict[str, list]:
        first = self.runs[0]
        sets = {"valid": first.data.valid_path, **first.data.extra}
        n_ctx, n_tokens = first.config.model.n_ctx, first.config.evaluation.final_n_tokens
        windows = {name: evaluation_windows(open_tokens(path), n_ctx, n_tokens, name) for name, path in sets.items()}
        return {name: evaluate(self.model, cut, first.data.vocab_size, self.device) for name, cut in windows.items()}

    def _count_time(self) -> None:
        now_s = time.monotonic()
        self.wall_s += now_s - self.clock
        self.clock = now_s


def build_model(runs: tuple[Plan, ...]) -> LanguageModel:
    """Build the runs' model, each initialised from its own seed, and check its parameter counts.

    Parameters
    ----------
    runs : tuple of Plan
        Of one shape; a custom architecture takes one.

    Returns
    -------
    LanguageModel

    Raises
    ------
    HarnessError
        The parameters by group do not add up to those of the module.
    """
    first = runs[0]
    config, vocab_size = first.config.model, first.data.vocab_size
    if config.target is None:
        model: LanguageModel = Decoder(config, vocab_size, [run.config.seed for run in runs])
    else:
        torch.manual_seed(first.config.seed)
        custom = architecture.load(config, vocab_size)
        model = OneRun(custom.build(), custom.lr_multipliers or {})
    counted = sum(parameter.numel() for parameter in model.parameters()) // len(runs)
    planned = sum(first.params.values())
    if counted != planned:
        raise HarnessError(
            f"the model has {counted} parameters, its groups add up to {planned}: {first.params}; "
            "correct the counts that its architecture states"
        )
    return model


def build_optimizer(model: LanguageModel, run: Plan) -> FlatAdamW:
    """Build the optimizer that a plan asks for; the model's parameters become views of its buffer."""
    optim = run.config.optim
    return FlatAdamW(
        model,
        model.update_rules(),
        n_runs=model.n_runs,
        betas=(optim.beta1, optim.beta2),
        eps=optim.eps,
        weight_decay=optim.weight_decay,
    )
