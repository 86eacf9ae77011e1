"""A trainer without torch whose fate is its seed. It logs every step it takes, so that a step taken twice shows."""

import json
import os
import signal
import time

from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.record import EvalLoss, write_record
from scaling_harness.training.make_record import Measured, record_of
from scaling_harness.training.oversight import Interrupted

RAISES, KILLED_ONCE, KILLED_ALWAYS, SLOW, DIVERGES, STUCK, HANGS_ONCE = 100, 200, 300, 400, 500, 600, 700
"""Seeds from one of these to the next share a fate; below the first, all goes well."""


def train(job, runtime, store, oversight):
    return [_train_run(run, job.job_id, runtime, store, oversight) for run in job.runs]


def _train_run(run, job_id, runtime, store, oversight):
    fate = run.config.seed // 100 * 100
    checkpoint = store.checkpoint_path(job_id)
    first = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0
    metrics = store.metrics_path(run.run_id)
    for step in range(first + 1, run.n_steps + 1):
        metrics.parent.mkdir(parents=True, exist_ok=True)
        with metrics.open("a") as file:
            row = {"step": step, "tokens": step * run.batch_tokens, "loss": 5.0 / step}
            file.write(json.dumps(row) + "\n")
        _meet(fate, step, metrics)
        try:
            oversight.tick(step)
        except Interrupted:
            oversight.confirm()
            write_text(checkpoint, str(step))
            raise
    oversight.confirm()
    stopped = "the loss is NaN" if fate == DIVERGES else None
    measured = Measured({} if stopped else {"valid": EvalLoss(1.25, 0.01, 512)}, 1.0, now(), [], "cpu")
    record = record_of(run, job_id, runtime, store, stopped, measured)
    write_record(store.run_dir(run.run_id), record)
    checkpoint.unlink(missing_ok=True)
    return record


def _meet(fate, step, metrics):
    if fate == RAISES and step == 2:
        raise ValueError("the seed\nis unlucky")
    if fate in (KILLED_ONCE, KILLED_ALWAYS) and step == 2:
        mark = metrics.with_name("killed")
        if fate == KILLED_ALWAYS or not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if fate == SLOW:
        time.sleep(0.05)
    if fate == STUCK:
        time.sleep(60)
    if fate == HANGS_ONCE and step == 2 and not (mark := metrics.with_name("hung")).exists():
        mark.touch()
        time.sleep(600)


def __getattr__(name):
    """Kill whoever asks for the function `deadly`: a worker that dies before it begins."""
    if name == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    raise AttributeError(name)
