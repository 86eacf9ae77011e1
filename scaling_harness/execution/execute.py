"""Execute a job: claim it, train it, write how that ended. Torch is imported when training starts."""

import contextlib
import dataclasses
import errno
import importlib
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import CannotTrainHereError, HarnessError, one_line
from scaling_harness.execution.attempts import End, counted_failures, out_of_memory_end
from scaling_harness.execution.claim import Claim, Died, claim_job, is_held
from scaling_harness.execution.device_lock import place_on_device
from scaling_harness.execution.orphaned_branches import orphan_reasons, record_orphans
from scaling_harness.execution.signals import Stop, stop_on_signals
from scaling_harness.execution.source_check import check_source
from scaling_harness.plan.memory import fitting_micro_batch, machine_bytes
from scaling_harness.record.atomic_files import explain_os_errors, write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.record import RunRecord, write_record
from scaling_harness.record.store import Store
from scaling_harness.training.make_record import Measured, record_of
from scaling_harness.training.memory import is_out_of_memory, keep_freed_memory, micro_batch_in
from scaling_harness.training.oversight import ClaimLost, Interrupted, Oversight

if TYPE_CHECKING:
    from scaling_harness.plan.plan import Job

Train = Callable[["Job", RuntimeConfig, Store, Oversight], list[RunRecord]]
TRAINER = "scaling_harness.training.trainer:train"
ERROR_FILE = "error.log"

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True)
class Outcome:
    """How the execution of a job ended."""

    kind: Literal["completed", "diverged", "failed", "gave_up", "interrupted", "taken", "finished"]
    """`taken`: another process holds it; `finished`: nothing was left to do; `failed`: it may be tried again."""
    reason: str | None = None


def load_train(target: str = TRAINER) -> Train:
    """Import a training function named as `module:function`."""
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)


def execute(job: "Job", runtime: RuntimeConfig, store: Store, stop: Stop, train: Train | None = None) -> Outcome:
    """Train the unfinished runs of a job, unless another process trains them.

    Parameters
    ----------
    job : Job
        Its finished runs are left out.
    runtime : RuntimeConfig
        Where and how to train.
    store : Store
        Store of the runs.
    stop : Stop
        Called after every step; True ends the attempt with a checkpoint.
    train : callable, optional
        Function to call instead of `trainer.train`.

    Returns
    -------
    Outcome
        A failed training is an outcome, not an exception. After `runtime.max_attempts` its runs get records that say
        so; a job that ran out of memory is tried once more, alone on the device, with all its memory and half the
        micro-batch.

    Raises
    ------
    UserError, HarnessError
        The store cannot be written, or other code of the architecture trained runs of the same cell. This is not the
        job's fault and does not count as an attempt.
    """
    check_source(job.runs, store, runtime.mix_versions)
    rest = _unfinished(job, store)
    if rest is None:
        return Outcome("finished")
    if is_held((run.run_id for run in rest.runs), store):
        return Outcome("taken", "it is trained by another process")
    train = train or load_train()
    with explain_os_errors(store.runs_dir):
        crowded = next((end for run in rest.runs if (end := out_of_memory_end(store.run_dir(run.run_id)))), None)
        with place_on_device(store.runs_dir, alone=crowded is not None) as granted:
            if not granted:
                return Outcome("taken", "it waits until no other run uses its device")
            claim = claim_job(rest.job_id, (run.run_id for run in rest.runs), store)
            if claim is None:
                return Outcome("taken", "it is trained by another process")
            settings = _with_more_memory(rest, runtime, crowded) if crowded else runtime
            return _execute_claimed(rest, settings, store, claim, _ClaimOversight(claim, stop), train)


def execute_alone(job: "Job", runtime: RuntimeConfig, store: Store, train: Train | None = None) -> None:
    """Execute a job while the user waits; its runs have records afterwards.

    Parameters
    ----------
    job : Job
        Its finished runs are left out.
    runtime : RuntimeConfig
        Where and how to train.
    store : Store
        Store of the runs.
    train : callable, optional
        Instead of `trainer.train`.

    Raises
    ------
    UserError, HarnessError
        The training failed, another process trains the job now, or see `execute`.
    KeyboardInterrupt
        A signal stopped it; the checkpoint is saved.
    """
    keep_freed_memory()
    with stop_on_signals() as stop:
        outcome = execute(job, runtime, store, stop, train)
    if outcome.kind == "interrupted":
        raise KeyboardInterrupt
    if outcome.kind == "taken":
        raise HarnessError(f"{job.job_id}: {outcome.reason}; run `train` again later to see its record")
    if outcome.kind == "failed":
        log = store.run_dir(job.runs[0].run_id) / ERROR_FILE
        saved = store.checkpoint_path(job.job_id).exists()
        again = "and start it again to resume from its last checkpoint" if saved else "then start it again"
        raise HarnessError(f"{outcome.reason}; see {log}, {again}")


class _ClaimOversight:
    """The `Oversight` of one attempt: it notes progress, and stops the training if asked to."""

    def __init__(self, claim: Claim, stop: Stop) -> None:
        self._claim = claim
        self._stop = stop
        self._step = -1

    def tick(self, step: int) -> None:
        if step != self._step:
            self._step = step
            self._claim.note_progress()
        if self._stop():
            raise Interrupted(f"stopped at step {step}")

    def confirm(self) -> None:
        self._claim.confirm()


def _execute_claimed(
    job: "Job", runtime: RuntimeConfig, store: Store, claim: Claim, oversight: Oversight, train: Train
) -> Outcome:
    """Make an attempt, and release the claim whatever happens."""
    try:
        if _unfinished(job, store) != job:
            raise ClaimLost("another process finished it in the meantime")
        return _attempt(job, runtime, store, claim, oversight, train)
    except ClaimLost as lost:
        claim.end("interrupted", str(lost))
        return Outcome("taken", str(lost))
    except BaseException as error:
        with contextlib.suppress(HarnessError):
            claim.end("interrupted", one_line(error))
        raise


def _attempt(
    whole: "Job", runtime: RuntimeConfig, store: Store, claim: Claim, oversight: Oversight, train: Train
) -> Outcome:
    orphaned = orphan_reasons(whole, store)
    job = record_orphans(whole, orphaned, runtime, store, claim) if orphaned else whole
    if job is None:
        reason = next(iter(orphaned.values()))
        claim.end("gave_up", reason)
        return Outcome("gave_up", reason)
    past = max((counted_failures(store.run_dir(run.run_id)) for run in job.runs), key=len)
    if _was_last_attempt(past, runtime):
        return _give_up(job, runtime, store, claim, past, now(), wall_s=0.0)
    started, clock = now(), time.monotonic()
    try:
        with claim.heartbeat(runtime.hang_s):
            records = train(job, runtime, store, oversight)
    except Interrupted as interruption:
        claim.end("interrupted", str(interruption))
        return Outcome("interrupted", str(interruption))
    except (ClaimLost, CannotTrainHereError):
        raise
    except Died as death:
        # The checkpoint decides whether it counts, as when the worker itself dies: see `counted_failures`.
        claim.end("died", str(death))
        return Outcome("failed", str(death))
    except (Exception, SystemExit) as error:
        _raise_storage_failure(error)
        _write_error(job, store, error)
        end = End("out_of_memory" if is_out_of_memory(error) else "failed", one_line(error))
        if _was_last_attempt([*past, end], runtime):
            return _give_up(job, runtime, store, claim, [*past, end], started, time.monotonic() - clock)
        claim.end(end.outcome, end.reason)
        return Outcome("failed", end.reason)
    kind = "diverged" if any(record.status == "diverged" for record in records) else "completed"
    claim.end(kind)
    return Outcome(kind)


def _give_up(
    job: "Job", runtime: RuntimeConfig, store: Store, claim: Claim, past: list[End], started: str, wall_s: float
) -> Outcome:
    attempts = "attempt" if len(past) == 1 else "attempts"
    reason = f"failed after {len(past)} {attempts}: {past[-1].reason}"
    warnings = ["times are of the last attempt only, as far as known"]
    claim.confirm()
    rest = _unfinished(job, store)
    for run in rest.runs if rest else ():
        measured = Measured({}, wall_s / len(job.runs), started, warnings, runtime.device)
        record = record_of(run, job.job_id, runtime, store, reason, measured, "failed")
        write_record(store.run_dir(run.run_id), record)
    store.checkpoint_path(job.job_id).unlink(missing_ok=True)
    claim.end("gave_up", reason)
    return Outcome("gave_up", reason)


def _was_last_attempt(past: list[End], runtime: RuntimeConfig) -> bool:
    """Whether to give up: after `max_attempts` failures, or the second time that memory ran out."""
    return len(past) >= runtime.max_attempts or [end.outcome for end in past].count("out_of_memory") > 1


def _with_more_memory(job: "Job", runtime: RuntimeConfig, failed: End) -> RuntimeConfig:
    """Halve the micro-batch: that of the attempt that failed, or if it was killed, that given or predicted to fit."""
    there = runtime.memory_gb * 1e9 if runtime.memory_gb else machine_bytes()
    predicted = fitting_micro_batch(job.runs, runtime, there) or job.runs[0].batch_seqs
    at_once = micro_batch_in(failed.reason or "") or runtime.micro_batch or predicted
    return dataclasses.replace(runtime, micro_batch=(at_once + 1) // 2, gpu_share=1.0)


def _unfinished(job: "Job", store: Store) -> "Job | None":
    return job.without({run.run_id for run in job.runs if store.is_finished(run.run_id)})


def _raise_storage_failure(error: BaseException) -> None:
    """Raise an error of the disk, which is not the job's fault: as a `HarnessError` if it is one, else as it was."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _STORAGE:
            raise error if isinstance(error, HarnessError) else cause
        cause = cause.__cause__ or cause.__context__


def _write_error(job: "Job", store: Store, error: BaseException) -> None:
    text = "".join(traceback.format_exception(error))
    for run in job.runs:
        write_text(store.run_dir(run.run_id) / ERROR_FILE, text)
