"""Runs of different seeds, rates, schedules and lengths side by side are what each is alone, to the bit."""

import threading
import weakref
from dataclasses import replace

import pytest
import torch

from scaling_harness.config.schema import ConstantSchedule, WsdSchedule
from scaling_harness.errors import CannotTrainHereError
from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from scaling_harness.plan import memory
from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.training import trainer
from scaling_harness.training.distributed import Ranks
from scaling_harness.training.oversight import Interrupted
from scaling_harness.training.run_stack import Stack
from scaling_harness.training.trainer import train
from sweeps.planning.expand import resolve_all

LENGTHS = (60, 24, 41)
SHAPES = {
    "mup": ["model.d_model=16"],
    "standard": ["model=standard", "model.d_model=20", "model.d_head=null", "model.n_head=2"],
}


class Stopped:
    """Ends an attempt at a step: in order, or as a kill would, with nothing saved."""

    def __init__(self, at=None, error=None):
        self.at, self.error = at, error

    def tick(self, step):
        if step == self.at:
            raise self.error

    def confirm(self):
        pass


class Killed(BaseException):
    pass


@pytest.fixture
def mixed(make_config):
    """Three runs of one shape and batch, in which all else differs that may."""

    def make(*shape, last_lr=0.001):
        config = make_config(*shape)
        warmup = config.schedule.warmup
        schedules = (config.schedule, WsdSchedule(warmup, 0.2, "linear"), ConstantSchedule(warmup))
        return Job(
            resolve_all(
                replace(
                    config,
                    optim=replace(config.optim, lr=lr),
                    schedule=schedule,
                    budget=replace(config.budget, n_tokens=32 * n),
                    seed=seed,
                )
                for seed, (lr, schedule, n) in enumerate(zip((0.002, 0.004, last_lr), schedules, LENGTHS, strict=True))
            )
        )

    return make


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Curve and losses of each run by itself; trained once for all tests."""
    store = Store(tmp_path_factory.mktemp("alone"))

    def train_each(job) -> dict:
        for run in job.runs:
            if not store.is_finished(run.run_id):
                train(Job((run,)), run.config.runtime, store, Stopped())
        return outcome(job, store)

    return train_each


def outcome(job, store) -> dict:
    return {
        run.run_id: (store.metrics_path(run.run_id).read_bytes(), store.read(run.run_id).losses)
        for run in job.runs
        if store.is_finished(run.run_id)
    }


def go_on(job, store, oversight=None, **runtime):
    rest = job.without({run.run_id for run in job.runs if store.is_finished(run.run_id)})
    return train(rest, replace(job.runs[0].config.runtime, **runtime), store, oversight or Stopped())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mixed_stack_is_its_runs(mixed, alone, tmp_path, shape):
    job, store = mixed(*SHAPES[shape]), Store(tmp_path / "stack")
    records = go_on(job, store)
    assert outcome(job, store) == alone(job)
    assert [record.n_steps for record in records] == list(LENGTHS)
    assert {record.job_id for record in records} == {job.job_id}
    assert all(record.wall_s > 0 for record in records)
    assert not list((tmp_path / "stack" / "checkpoints").glob("*"))


@pytest.mark.parametrize(("step", "kill"), [(10, False), (24, False), (24, True), (30, True)])
def test_it_goes_on_from_before_at_and_after_the_end_of_one(mixed, alone, tmp_path, step, kill):
    job, store = mixed(*SHAPES["mup"]), Store(tmp_path / "stack")
    error = Killed() if kill else Interrupted("enough")
    with pytest.raises(type(error)):
        go_on(job, store, Stopped(step, error), checkpoint_every_s=1e-9 if kill else 1e9)
    ended = {run.run_id for run in job.runs if run.n_steps <= step}
    assert outcome(job, store).keys() == ended
    with store.metrics_path(job.runs[0].run_id).open("a") as file:
        file.write('{"step": 61, "lo')
    records = go_on(job, store)
    assert {record.job_id for record in records} == {job.job_id}
    assert not any(record.warnings[0].startswith("the checkpoint") for record in records if record.warnings)
    assert outcome(job, store) == alone(job)


def test_a_killed_stack_without_a_later_checkpoint_repeats_what_it_must(mixed, alone, tmp_path):
    """The checkpoint is of three runs, one of which has ended since."""
    job, store = mixed(*SHAPES["mup"]), Store(tmp_path / "stack")
    with pytest.raises(Interrupted):
        go_on(job, store, Stopped(10, Interrupted("enough")))
    with pytest.raises(Killed):
        go_on(job, store, Stopped(35, Killed()))
    assert len(outcome(job, store)) == 1
    go_on(job, store)
    assert outcome(job, store) == alone(job)


def test_the_attempts_of_a_stack_find_its_checkpoint(mixed, alone, tmp_path):
    """Through `execute`, which leaves out the runs that have ended."""
    job, store, stop = mixed(*SHAPES["mup"]), Store(tmp_path / "stack"), Stop()
    runtime = job.runs[0].config.runtime

    def stop_once_one_has_ended(job, runtime, store, oversight):
        class Watching(Stopped):
            def tick(self, step):
                stop.requested = step == 30
                oversight.tick(step)

        return train(job, runtime, store, Watching())

    assert execute(job, runtime, store, stop, stop_once_one_has_ended).kind == "interrupted"
    assert store.checkpoint_path(job.job_id).exists()
    seen = []

    def count(job, runtime, store, oversight):
        class Counting(Stopped):
            def tick(self, step):
                seen.append(step)

        return train(job, runtime, store, Counting())

    assert execute(job, runtime, store, Stop(), count).kind == "completed"
    assert seen[0] == 31
    assert outcome(job, store) == alone(job)
    assert not store.checkpoint_path(job.job_id).exists()


def test_a_run_that_diverges_is_recorded_at_once_and_the_others_go_on(mixed, alone, tmp_path):
    job, store = mixed(*SHAPES["mup"], last_lr=1e6), Store(tmp_path / "stack")
    bad = job.runs[2]
    with pytest.raises(Killed):
        go_on(job, store, Stopped(29, Killed()), checkpoint_every_s=1e-9)
    assert store.read(bad.run_id).status == "diverged"
    assert store.read(bad.run_id).losses == {}
    go_on(job, store)
    assert outcome(job, store) == alone(job)


@pytest.mark.parametrize("model", [(), ("model=standard", "model.n_head=2"), ("model=gpt2", "model.d_head=16")])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_a_step_never_waits_for_its_device(make_plan, model, micro_batch):
    """On a device without values, reading one is an error; its operations are those of a GPU."""
    plan = make_plan(*model, "budget.batch_tokens=256")
    runtime = replace(plan.config.runtime, device="meta", micro_batch=micro_batch)
    stack = Stack([plan], runtime, Ranks(), "meta")
    loss_R, norm_R = stack.step(0)
    assert (loss_R.device.type, norm_R.device.type) == ("meta", "meta")
    with pytest.raises(RuntimeError):
        loss_R.item()


def test_batches_gathered_ahead_change_nothing(mixed, alone, tmp_path, monkeypatch):
    """As on a GPU, also when runs leave and at a resume; afterwards no thread is left."""
    monkeypatch.setattr(Stack, "_on_gpu", True)
    job, store = mixed(*SHAPES["mup"]), Store(tmp_path / "stack")
    with pytest.raises(Interrupted):
        go_on(job, store, Stopped(30, Interrupted("enough")))
    go_on(job, store)
    assert outcome(job, store) == alone(job)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_a_batch_that_would_not_fit_is_cut_and_recorded(mixed, tmp_path, monkeypatch):
    job, store = mixed(*SHAPES["mup"]), Store(tmp_path / "stack")
    bigger = replace(job.runs[0], batch_tokens=4 * 32)
    room = memory.PROCESS_BYTES + memory.run_bytes(bigger, 2)
    monkeypatch.setattr(trainer, "machine_bytes", lambda: room)
    (record,) = train(Job((bigger,)), bigger.config.runtime, store, Stopped())
    assert record.runtime["micro_batch"] == 2


def test_memory_that_ends_is_met_with_half_of_what_was_predicted_to_fit(make_plan, tmp_path, monkeypatch):
    plan, store, tried = make_plan("budget.batch_tokens=320"), Store(tmp_path / "runs"), []
    monkeypatch.setattr(trainer, "fitting_micro_batch", lambda *_: 6)
    whole = Stack._accumulate

    def short_of_memory(stack, batch_RBT):
        tried.append(stack.runtime.micro_batch)
        if stack.runtime.micro_batch > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(stack, batch_RBT)

    monkeypatch.setattr(Stack, "_accumulate", short_of_memory)
    first, second = (execute(Job((plan,)), plan.config.runtime, store, Stop()) for _ in range(2))
    assert "out of memory with 6 contexts at once: OutOfMemoryError" in first.reason
    assert second.kind == "completed"
    assert set(tried) == {6, 3}
    assert store.read(plan.run_id).runtime["micro_batch"] == 3


def test_a_batch_that_cannot_be_divided_or_held_is_refused(make_plan):
    plan = make_plan("budget.batch_tokens=96")
    job, runtime = Job((plan,)), plan.config.runtime
    with pytest.raises(CannotTrainHereError, match="a batch of 3 contexts cannot be divided between 2 processes"):
        trainer._that_fits(job, runtime, None, 2)
    with pytest.raises(CannotTrainHereError, match=r"runtime.micro_batch=3 takes about 0.4 GB, and there are 0.4 GB"):
        trainer._that_fits(job, replace(runtime, micro_batch=3), memory.stack_bytes(job.runs, 2, runtime), 1)


def test_runs_that_leave_take_their_memory_with_them(mixed):
    job = mixed()
    stack = Stack(job.runs, job.runs[0].config.runtime, Ranks(), "cpu")
    before = weakref.ref(stack.model)
    stack.keep([0, 2])
    assert before() is None
    stack.close()


def test_recomputed_activations_train_to_the_same_bits(mixed, alone, tmp_path):
    job, store = mixed(*SHAPES["mup"]), Store(tmp_path / "stack")
    go_on(job, store, recompute_activations=True)
    assert outcome(job, store) == alone(job)


def test_a_module_whose_blocks_are_unknown_cannot_recompute(make_plan, tmp_path):
    plan = make_plan("model=gpt2", "model.d_head=16")
    runtime = replace(plan.config.runtime, recompute_activations=True)
    with pytest.raises(CannotTrainHereError, match="is for the built-in decoder"):
        train(Job((plan,)), runtime, Store(tmp_path), Stopped())
