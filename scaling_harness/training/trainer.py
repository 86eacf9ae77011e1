"""Train a job: R runs of one shape in lockstep, from plans to records. Plain training is R = 1.

A run that reaches its last step or diverges is recorded at once and leaves the stack; the others continue in a smaller
one.
"""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from scaling_harness.config.schema import BranchedSchedule, RuntimeConfig
from scaling_harness.errors import CannotTrainHereError, HarnessError
from scaling_harness.plan.memory import fitting_micro_batch, machine_bytes, refuse_too_large, stack_bytes
from scaling_harness.plan.plan import Job, Plan
from scaling_harness.record.gradient_noise_scale import Measurement
from scaling_harness.record.metrics_log import Curve, is_whole
from scaling_harness.record.provenance import now
from scaling_harness.record.record import BestCheckpoint, EvalLoss, RunRecord, write_record
from scaling_harness.record.store import Store
from scaling_harness.training import checkpoint
from scaling_harness.training.distributed import Ranks
from scaling_harness.training.make_record import Measured, record_of
from scaling_harness.training.memory import (
    forget_peak_memory,
    gpu_bytes,
    is_out_of_memory,
    limit_gpu_memory,
    micro_batch_words,
)
from scaling_harness.training.oversight import Interrupted, Oversight
from scaling_harness.training.run_stack import Stack

FLUSH_STEPS = 50
"""Number of steps whose losses stay on the device: reading each at once would make a GPU wait."""
DIVERGED_FACTOR = 2.0
DIVERGED_STEPS = 10
"""A run ends as diverged when its loss is no number, or the mean over the last steps is above a multiple of the first
loss. That of one step may be: a batch of one context can be unlike all other text."""


def train(job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> list[RunRecord]:
    """Train every run of a job, from its last checkpoint if there is one.

    Parameters
    ----------
    job : Job
        Runs of one shape and batch.
    runtime : RuntimeConfig
        Where and how to train.
    store : Store
        Store for curves, checkpoint and records.
    oversight : Oversight
        Called after every step; may ask for a stop.

    Returns
    -------
    list of RunRecord
        Records in the order of the job's runs; each is written as `record.json`, which ends its run.

    Raises
    ------
    Interrupted
        The oversight asked for a stop; the checkpoint is saved.
    ClaimLost
        Another process has taken the job over; nothing was written.
    """
    forget_peak_memory()
    with _Training(job, runtime, store, oversight) as training, training.saying_how_much_at_once():
        try:
            while training.advance():
                training.ranks.tick(oversight, training.step)
        except Interrupted:
            training.save()
            raise
        return training.finish()


def _that_fits(job: Job, runtime: RuntimeConfig, of_gpu: float | None, n_processes: int) -> RuntimeConfig:
    """Set a micro-batch if none is given and the batch would not fit; refuse a run of which no context fits."""
    for run in job.runs:
        refuse_too_large(run, runtime, of_gpu, n_processes)
    if runtime.shard_optimizer and any(run.branches for run in job.runs):
        raise CannotTrainHereError(
            "runtime.shard_optimizer is for runs without branches, whose trunk saves its state by itself: leave it "
            "out, or set sweep.trunk=false"
        )
    batch_seqs = job.runs[0].batch_seqs
    if batch_seqs % n_processes:
        raise CannotTrainHereError(
            f"a batch of {batch_seqs} contexts cannot be divided between {n_processes} processes: start as many as "
            "divide it, or change budget.batch_tokens"
        )
    there = of_gpu or machine_bytes()
    fits = fitting_micro_batch(job.runs, runtime, there, n_processes)
    if runtime.micro_batch is None:
        return dataclasses.replace(runtime, micro_batch=fits)
    taken = stack_bytes(job.runs, runtime.micro_batch, runtime, n_processes)
    if taken > there:
        raise CannotTrainHereError(
            f"runtime.micro_batch={runtime.micro_batch} takes about {taken / 1e9:,.1f} GB, and there are "
            f"{there / 1e9:,.1f} GB: leave it out for what fits, {fits or batch_seqs // n_processes}, or give less"
        )
    return runtime


@contextlib.contextmanager
def _saying_how_much_at_once(job: Job, runtime: RuntimeConfig, n_processes: int) -> Iterator[None]:
    """Tell an attempt that runs out of memory apart by its micro-batch, of which the next one takes half."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        at_once = runtime.micro_batch or job.runs[0].batch_seqs // n_processes
        raise MemoryError(f"{micro_batch_words(at_once)}: {type(error).__name__}: {error}") from error


def _check_may_start(job: Job) -> None:
    """Refuse runs whose first steps have another batch, unless their trunk's state is there."""
    for run in job.runs:
        if not isinstance(run.config.schedule, BranchedSchedule):
            continue
        if run.trunk is None:
            raise CannotTrainHereError(
                "a run of the schedule branched starts from another run's state: train it in a sweep whose grid has "
                "trunk: true, as conf/sweep/merrill/branches.yaml"
            )
        raise HarnessError(
            f"the state that {run.trunk} saved for {run.run_id} is missing or damaged: remove that run's folder in "
            f"store/ and start the sweep again, which trains it anew"
        )


@dataclass
class _UnreadSteps:
    """Losses and gradient norms of steps that have not been read back from the device."""

    losses: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)


@dataclass
class _Member:
    """One run of the stack and its progress."""

    plan: Plan
    curve: Curve | None
    """None on a process that does not write."""
    first_loss: float | None
    """Loss of its first step, from which divergence is judged."""
    wall_s: float
    start: int
    """Number of steps that its trunk took."""
    recent: list[float] = field(default_factory=list)
    """Losses of the last steps, from which divergence is judged."""
    diverged: str | None = None

    def add(self, step: int, loss: float, norm: float) -> None:
        """Add the loss of a 0-based step to the curve, unless the run diverged before."""
        if self.diverged:
            return
        if self.first_loss is None:
            self.first_loss = loss
        self.recent = [*self.recent, loss][-DIVERGED_STEPS:]
        mean = math.fsum(self.recent) / len(self.recent)
        if not mean <= DIVERGED_FACTOR * self.first_loss:
            limit = f"{DIVERGED_FACTOR:g} times its first, {self.first_loss:.4g}"
            over = f"the mean of {len(self.recent)} steps was {mean:.4g}, above {limit}"
            self.diverged = f"the loss was {loss:.4g} nats at step {step + 1}; {over}"
        if self.curve:
            self.curve.step(step + 1, *self.plan.spent(step + 1), loss, self.plan.lr_at(step), norm)

    def is_due(self, step: int) -> bool:
        """Whether the run is measured, or a branch starts from it, after `step` steps."""
        has_branch = any(step == at for at, _ in self.plan.branches)
        return has_branch or step in self.plan.eval_steps or self.plan.measures_noise_at(step)

    def ends(self, step: int) -> bool:
        """Whether the run leaves the stack after `step` steps."""
        return self.diverged is not None or step == self.plan.n_steps


class _Training(contextlib.AbstractContextManager["_Training"]):
    """A job in training: its stack, curves and progress."""

    def __init__(self, job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> None:
        self.job, self.store, self.oversight = job, store, oversight
        torch.set_num_threads(runtime.threads)
        self.ranks = Ranks()
        self.device = self.ranks.join(runtime.device)
        micro_batch, gpu_share = self.ranks.of_first((runtime.micro_batch or 0, runtime.gpu_share))
        runtime = dataclasses.replace(runtime, micro_batch=int(micro_batch) or None, gpu_share=gpu_share)
        limit_gpu_memory(self.device, runtime.gpu_share)
        self.runtime = _that_fits(job, runtime, gpu_bytes(self.device, runtime.gpu_share), self.ranks.size)
        self.warnings: list[str] = []
        self.records: dict[str, RunRecord] = {}
        self.started, self.unread = now(), _UnreadSteps()
        with self.saying_how_much_at_once():
            self.stack = Stack(job.runs, self.runtime, self.ranks, self.device)
            self._resume()

    def saying_how_much_at_once(self) -> contextlib.AbstractContextManager[None]:
        """See `_saying_how_much_at_once`."""
        return _saying_how_much_at_once(self.job, self.runtime, self.ranks.size)

    def _resume(self) -> None:
        reached = (checkpoint.RunProgress(),) * len(self.job.runs)
        self.step = 0
        usable = self._usable(self._with_curves(self._load_checkpoint())) or self._usable(
            checkpoint.load_from_trunks(self.job.runs, self.store)
        )
        if usable:
            state, progress = usable
            self.stack.load_state_dict(state)
            self.step, reached = progress.step, progress.runs
        else:
            _check_may_start(self.job)
        self.ranks.wait()
        self.members = [
            _Member(run, self._open_curve(run, at.metrics_bytes), at.first_loss, at.wall_s, at.start, list(at.recent))
            for run, at in zip(self.job.runs, reached, strict=True)
        ]
        self.clock = self.saved = time.monotonic()

    def _load_checkpoint(self) -> checkpoint.Loaded:
        path, first = self.store.checkpoint_path(self.job.job_id), self.job.runs[0]
        mapped = self.runtime.shard_optimizer and self.ranks.size > 1
        return checkpoint.load(path, [run.run_id for run in self.job.runs], first.architecture_source, mapped)

    def _with_curves(self, loaded: checkpoint.Loaded) -> checkpoint.Loaded:
        """Refuse a checkpoint if a curve up to it is damaged: training anew gives the same curve."""
        if isinstance(loaded, tuple):
            for run, at in zip(self.job.runs, loaded[1].runs, strict=True):
                if not is_whole(self.store.metrics_path(run.run_id), at.metrics_bytes):
                    return f"the curve of {run.run_id} was damaged: started from the beginning"
        return loaded

    def _usable(self, loaded: checkpoint.Loaded) -> tuple[dict[str, Tensor], checkpoint.JobProgress] | None:
        """Return the state if the runs can resume from it; else add a warning that says why not."""
        if isinstance(loaded, tuple) and (missing := self.stack.missing_keys(loaded[0])):
            loaded = f"an earlier version's checkpoint has no {', '.join(missing)}: started from the beginning"
        if isinstance(loaded, str):
            self.warnings.append(loaded)
            return None
        return loaded

    def _open_curve(self, run: Plan, n_bytes: int) -> Curve | None:
        return Curve(self.store.metrics_path(run.run_id), n_bytes) if self.ranks.writes else None

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            if member.curve:
                member.curve.close()
        self.stack.close()

    def advance(self) -> bool:
        """Take one step, and do what is due after it; return whether any run is left."""
        loss_R, norm_R = self.stack.step(self.step)
        self.unread.losses.append(loss_R)
        self.unread.norms.append(norm_R)
        self.step += 1
        n_snapshots = 0
        if any(member.is_due(self.step) for member in self.members) or len(self.unread.losses) == FLUSH_STEPS:
            self._flush()
            for r, member in enumerate(self.members):
                if member.curve and not member.diverged:
                    self._measure(r, member.plan, member.curve)
            n_snapshots = self._save_for_branches()
            self._retire()
        # All processes or none: a save may end a run, and joins what they share.
        if self.members and self.ranks.any(n_snapshots > 0 or self._save_is_due()):
            self.save()
        return bool(self.members)

    def _save_is_due(self) -> bool:
        return time.monotonic() - self.saved > self.runtime.checkpoint_every_s

    def _flush(self) -> None:
        """Read losses and norms back from the device, look for divergence, and add them to the curves."""
        losses = torch.stack(self.unread.losses).tolist()
        norms = torch.stack(self.unread.norms).tolist()
        before, self.unread = self.step - len(losses), _UnreadSteps()
        for r, member in enumerate(self.members):
            for i in range(len(losses)):
                member.add(before + i, losses[i][r], norms[i][r])
            if member.curve:
                member.curve.flush()

    @functools.cached_property
    def _windows(self) -> np.ndarray:
        """Windows for the validation losses of the curves."""
        return self.stack.source.evaluation_windows("valid", self.job.runs[0].config.evaluation.n_tokens)

    @functools.cached_property
    def _final_windows(self) -> dict[str, np.ndarray]:
        """Windows for the final losses, by evaluation set."""
        source, n_tokens = self.stack.source, self.job.runs[0].config.evaluation.final_n_tokens
        return {name: source.evaluation_windows(name, n_tokens) for name in source.evaluation_sets}

    def _measure(self, r: int, run: Plan, curve: Curve) -> None:
        """Add the validation loss and the gradient noise scale to a curve, if they are due."""
        if self.step in run.eval_steps:
            tokens, flops = run.spent(self.step)
            is_lower = curve.evaluation(self.step, tokens, flops, self.stack.evaluate(r, self._windows))
            if is_lower and run.config.evaluation.best_checkpoint:
                curve.best(BestCheckpoint(self.step, tokens, self._final_losses(r)), flops)
        if run.measures_noise_at(self.step):
            measurement = Measurement(self.step, *self.stack.measure_noise(r, self.step))
            curve.noise(*run.spent(self.step), measurement, run.config.model.n_ctx)

    def _save_for_branches(self) -> int:
        """Save the state of trunks for the branches that start now; return the number of branches."""
        n_snapshots = 0
        for r, member in enumerate(self.members):
            for step, branch in member.plan.branches if member.curve and not member.diverged else ():
                if step == self.step and not self.store.is_finished(branch):
                    self.oversight.confirm()
                    progress = checkpoint.JobProgress(
                        step, (checkpoint.RunProgress(0, member.first_loss, 0.0, step, tuple(member.recent)),)
                    )
                    path = self.store.snapshot_path(branch)
                    checkpoint.save(path, [member.plan], self.stack.state_dict([r]), progress)
                    n_snapshots += 1
        return n_snapshots

    def _retire(self) -> None:
        """Record the runs that have ended; the others continue without them."""
        leaving = [r for r, member in enumerate(self.members) if member.ends(self.step)]
        if not leaving:
            return
        losses = [self._final_losses(r) for r in leaving]
        self._count_time()
        for r, of_run in zip(leaving, losses, strict=True):
            self._record(self.members[r], of_run)
        rest = [r for r in range(len(self.members)) if r not in leaving]
        self.members = [self.members[r] for r in rest]
        if rest:
            self.stack.keep(rest)

    def _final_losses(self, r: int) -> dict[str, EvalLoss]:
        if not self.ranks.writes or self.members[r].diverged:
            return {}
        losses = {name: self.stack.evaluate(r, windows) for name, windows in self._final_windows.items()}
        if not self.members[r].plan.config.evaluation.answer_tokens:
            return losses
        answers = {name: self.stack.answers(r, windows) for name, windows in self._final_windows.items()}
        return {name: dataclasses.replace(loss, answers=answers[name]) for name, loss in losses.items()}

    def _record(self, member: _Member, losses: dict[str, EvalLoss]) -> None:
        if not member.curve:
            return
        member.curve.sync()
        member.curve.close()
        self.oversight.confirm()
        trunk = member.plan.trunk if member.start else None
        measured = Measured(losses, member.wall_s, self.started, self.warnings, self.device, trunk, member.start)
        record = record_of(member.plan, self.job.job_id, self.runtime, self.store, member.diverged, measured)
        write_record(self.store.run_dir(member.plan.run_id), record)
        self.store.snapshot_path(record.run_id).unlink(missing_ok=True)
        self.records[record.run_id] = record

    def finish(self) -> list[RunRecord]:
        """Delete the checkpoint, which is no longer needed; return the records."""
        if not self.ranks.writes:
            return []
        self.store.checkpoint_path(self.job.job_id).unlink(missing_ok=True)
        return [self.records[run.run_id] for run in self.job.runs]

    def save(self) -> None:
        """Write a checkpoint; raises `ClaimLost` if another process has taken the job over."""
        if self.unread.losses:
            self._flush()
            self._retire()
        self.saved = time.monotonic()
        if not self.members:
            return
        state = self.stack.state_dict()
        if not self.ranks.writes:
            return
        self.oversight.confirm()
        self._count_time()
        reached = tuple(
            checkpoint.RunProgress(
                member.curve.sync() if member.curve else 0,
                member.first_loss,
                member.wall_s,
                member.start,
                tuple(member.recent),
            )
            for member in self.members
        )
        path = self.store.checkpoint_path(self.job.job_id)
        checkpoint.save(
            path,
            [member.plan for member in self.members],
            state,
            checkpoint.JobProgress(self.step, reached),
        )
        self.saved = time.monotonic()

    def _count_time(self) -> None:
        """Add to each run its share of the seconds since the last call."""
        clock = time.monotonic()
        for member in self.members:
            member.wall_s += (clock - self.clock) / len(self.members)
        self.clock = clock
