import dataclasses
import errno
import os
import re
import signal

import pytest

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.execution.attempts import End, attempt_numbers, read_end
from scaling_harness.execution.claim import claim_job
from scaling_harness.execution.execute import ERROR_FILE, execute, execute_alone
from scaling_harness.execution.signals import Stop, stop_on_signals
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.record import EvalLoss, write_record
from scaling_harness.record.store import Store
from scaling_harness.training.make_record import Measured, record_of
from scaling_harness.training.oversight import Interrupted


@pytest.fixture
def job(make_plan):
    return Job((make_plan(),))


@pytest.fixture
def runtime(job):
    return job.runs[0].config.runtime


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def finish(run, job_id, runtime, store, status="completed"):
    measured = Measured({"valid": EvalLoss(1.25, 0.01, 512)}, 1.0, now(), [], "cpu")
    record = record_of(run, job_id, runtime, store, None if status == "completed" else "NaN", measured, status)
    write_record(store.run_dir(run.run_id), record)
    return record


def succeed(job, runtime, store, oversight):
    oversight.tick(1)
    oversight.confirm()
    return [finish(run, job.job_id, runtime, store) for run in job.runs]


def fail(job, runtime, store, oversight):
    write_text(store.checkpoint_path(job.job_id), "")
    rows = (f'{{"step": {step}, "loss": 2.0}}\n' for step in range(1, 8))
    write_text(store.metrics_path(job.runs[0].run_id), "".join(rows))
    raise ValueError("a bad\nday")


def never(*_):
    raise AssertionError("nothing was left to train")


def newest_end(job, store):
    directory = store.run_dir(job.runs[0].run_id)
    return read_end(directory, max(attempt_numbers(directory)))


def test_a_job_is_trained_once(job, runtime, store):
    assert execute(job, runtime, store, Stop(), succeed).kind == "completed"
    assert newest_end(job, store) == End("completed")
    assert execute(job, runtime, store, Stop(), never).kind == "finished"


def test_divergence_is_a_result(job, runtime, store):
    def diverge(job, runtime, store, oversight):
        return [finish(run, job.job_id, runtime, store, "diverged") for run in job.runs]

    assert execute(job, runtime, store, Stop(), diverge).kind == "diverged"
    assert execute(job, runtime, store, Stop(), never).kind == "finished"


def test_a_job_that_always_fails_is_recorded_as_failed(job, runtime, store):
    run = job.runs[0]
    kinds = [execute(job, runtime, store, Stop(), fail) for _ in range(runtime.max_attempts)]
    assert [outcome.kind for outcome in kinds] == ["failed", "failed", "gave_up"]
    record = store.read(run.run_id)
    assert record.status == "failed"
    assert re.fullmatch(r"failed after 3 attempts: ValueError: a bad day \(test_execute.py, line \d+\)", record.reason)
    assert record.spent_flops == 7 * run.batch_tokens * run.flops_per_token["6nd_with_head"]
    assert "Traceback" in (store.run_dir(run.run_id) / ERROR_FILE).read_text()
    assert not store.checkpoint_path(job.job_id).exists()
    assert execute(job, runtime, store, Stop(), never).kind == "finished"


def test_deleting_the_record_of_a_failure_starts_afresh(job, runtime, store):
    for _ in range(runtime.max_attempts):
        execute(job, runtime, store, Stop(), fail)
    store.record_path(job.runs[0].run_id).unlink()
    assert execute(job, runtime, store, Stop(), fail).kind == "failed"
    assert execute(job, runtime, store, Stop(), succeed).kind == "completed"


def test_deaths_are_counted_when_the_next_one_looks(job, runtime, store):
    for _ in range(runtime.max_attempts):
        claim_job(job.job_id, [job.runs[0].run_id], store).end("died", "killed by SIGKILL")
    assert execute(job, runtime, store, Stop(), never).kind == "gave_up"
    assert store.read(job.runs[0].run_id).reason == "failed after 3 attempts: killed by SIGKILL"


def test_a_training_that_exits_is_a_failure(job, runtime, store):
    def leave(*_):
        raise SystemExit(3)

    outcome = execute(job, runtime, store, Stop(), leave)
    assert outcome.reason.startswith("SystemExit: 3 (test_execute.py, line ")
    assert newest_end(job, store) == End("failed", outcome.reason)


NO_ROOM = "MemoryError: no room (test_execute.py, line "


def starve(sizes):
    def train(job, runtime, store, oversight):
        sizes.append((runtime.micro_batch, runtime.gpu_share))
        raise MemoryError("no room")

    return train


def test_want_of_memory_is_met_once_with_half_the_micro_batch_and_all_of_the_gpu(job, runtime, store):
    runtime, sizes = dataclasses.replace(runtime, micro_batch=6, gpu_share=0.25, max_attempts=9), []
    assert execute(job, runtime, store, Stop(), starve(sizes)).kind == "failed"
    end = newest_end(job, store)
    assert end.outcome == "out_of_memory"
    assert end.reason.startswith(NO_ROOM)
    assert execute(job, runtime, store, Stop(), starve(sizes)).kind == "gave_up"
    assert sizes == [(6, 0.25), (3, 1.0)]
    assert store.read(job.runs[0].run_id).reason.startswith(f"failed after 2 attempts: {NO_ROOM}")


def test_the_retry_for_want_of_memory_waits_until_it_is_alone(make_plan, runtime, store):
    hungry, other = (Job((make_plan(f"seed={seed}"),)) for seed in (1, 2))
    runtime, sizes = dataclasses.replace(runtime, micro_batch=6), []
    execute(hungry, runtime, store, Stop(), starve(sizes))

    def meanwhile(job, *rest):
        sizes.append(execute(hungry, runtime, store, Stop(), never).kind)
        return succeed(job, *rest)

    def alone(job, settings, *rest):
        sizes.append(settings.micro_batch)
        sizes.append(execute(other, runtime, store, Stop(), never).kind)
        return succeed(job, settings, *rest)

    third = Job((make_plan("seed=3"),))
    assert execute(third, runtime, store, Stop(), meanwhile).kind == "completed"
    assert execute(hungry, runtime, store, Stop(), alone).kind == "completed"
    assert sizes == [(6, 1.0), "taken", 3, "taken"]
    assert attempt_numbers(store.run_dir(hungry.job_id)) == [1, 2]
    assert store.read(hungry.job_id).runtime["micro_batch"] == 3


def test_interrupts_are_not_counted(job, runtime, store):
    stop = Stop()
    stop.requested = True
    for _ in range(2 * runtime.max_attempts):
        assert execute(job, runtime, store, stop, succeed).kind == "interrupted"
    assert newest_end(job, store) == End("interrupted", "stopped at step 1")
    assert execute(job, runtime, store, Stop(), succeed).kind == "completed"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_no_fault_of_the_job(job, runtime, store, wrapped):
    def fill(*_):
        full = OSError(errno.ENOSPC, "no space")
        if wrapped:
            raise RuntimeError("could not write the checkpoint") from full
        raise full

    for _ in range(runtime.max_attempts):
        with pytest.raises(HarnessError, match=r"the disk holding .* is full"):
            execute(job, runtime, store, Stop(), fill)
    assert execute(job, runtime, store, Stop(), succeed).kind == "completed"


def test_an_overtaken_attempt_writes_nothing_and_says_so(job, runtime, store):
    def overtaken(job, runtime, store, oversight):
        (store.run_dir(job.runs[0].run_id) / "attempt-0002.json").touch()
        oversight.confirm()

    outcome = execute(job, runtime, store, Stop(), overtaken)
    assert outcome.kind == "taken"
    assert "overtaken by attempt 2" in outcome.reason
    assert not store.is_finished(job.runs[0].run_id)


def test_a_run_finished_between_the_look_and_the_claim_is_not_trained(job, runtime, store, monkeypatch):
    def late(job_id, run_ids, store):
        claim = claim_job(job_id, run_ids, store)
        finish(job.runs[0], job.job_id, runtime, store)
        return claim

    monkeypatch.setattr("scaling_harness.execution.execute.claim_job", late)
    assert execute(job, runtime, store, Stop(), never).kind == "taken"


def test_finished_runs_of_a_stack_are_left_out(make_plan, runtime, store):
    done, left = make_plan("seed=1"), make_plan("seed=2")
    finish(done, "alone", runtime, store)
    seen = []

    def note(job, *rest):
        seen.extend(run.run_id for run in job.runs)
        return succeed(job, *rest)

    execute(Job((done, left)), runtime, store, Stop(), note)
    assert seen == [left.run_id]


def test_giving_up_a_stack_keeps_what_it_finished(make_plan, runtime, store):
    done, left = make_plan("seed=1"), make_plan("seed=2")

    def fail_late(job, *_):
        if done in job.runs:
            finish(done, job.job_id, runtime, store)
        raise ValueError("late")

    for _ in range(runtime.max_attempts):
        execute(Job((done, left)), runtime, store, Stop(), fail_late)
    assert store.read(done.run_id).status == "completed"
    assert store.read(left.run_id).status == "failed"


def test_a_store_that_cannot_be_written_is_a_sentence(job, runtime, store):
    store.runs_dir.write_text("")
    with pytest.raises(UserError, match="a file stands where a directory is needed"):
        execute(job, runtime, store, Stop(), never)


def test_alone_a_signal_saves_the_run_and_ends_the_command(job, runtime, store):
    saved = []

    def interrupted(job, runtime, store, oversight):
        os.kill(os.getpid(), signal.SIGINT)
        try:
            oversight.tick(3)
        except Interrupted as order:
            saved.append(str(order))
            raise

    with pytest.raises(KeyboardInterrupt):
        execute_alone(job, runtime, store, interrupted)
    assert saved == ["stopped at step 3"]
    assert newest_end(job, store).outcome == "interrupted"


def test_alone_a_failure_and_another_owner_are_sentences(job, runtime, store):
    with pytest.raises(HarnessError, match=r"a bad day \(test_execute.py, line \d+\); see .*error\.log"):
        execute_alone(job, runtime, store, fail)
    claim = claim_job(job.job_id, [job.runs[0].run_id], store)
    with pytest.raises(HarnessError, match="trained by another process"):
        execute_alone(job, runtime, store, never)
    claim.end("interrupted")
    execute_alone(job, runtime, store, succeed)
    assert store.read(job.runs[0].run_id).status == "completed"


def test_any_other_exception_lets_the_run_go(job, runtime, store):
    def leave(*_):
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        execute(job, runtime, store, Stop(), leave)
    assert newest_end(job, store).outcome == "interrupted"


def test_a_second_signal_acts_as_it_always_did():
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ignored_signals_stay_ignored_and_a_lost_parent_is_a_stop():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not Stop(os.getppid())()
    assert Stop(os.getpid())()
