"""What training on a GPU must agree with: each check trains on the rig's device, and the CPU suite runs them all too.

A check measures one number and says how large it may be; `test_checks` compares them.
"""

import contextlib
import dataclasses
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist

from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from scaling_harness.models.logit_rows import logit_rows
from scaling_harness.plan.plan import Job, Plan, resolve
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store
from scaling_harness.training import trainer
from scaling_harness.training.distributed import Ranks
from scaling_harness.training.memory import micro_batch_words
from scaling_harness.training.run_stack import Stack

SMALL = ("budget.n_tokens=1600",)
"""Overrides on a CPU: 50 steps of the smallest run of the tests."""
MEDIUM = (
    "model.n_layer=2",
    "model.d_model=64",
    "model.n_ctx=128",
    "budget.batch_tokens=2048",
    "budget.n_tokens=204800",
    "data.max_epochs=100",
    "evaluation.n_tokens=8192",
    "evaluation.final_n_tokens=8192",
    "optim.lr=0.002",
)
"""Overrides on a GPU: 100 steps at N = 1.2e5."""


@dataclass(frozen=True)
class Finding:
    """A number, the largest value that it may have, and what it is."""

    measured: float
    allowed: float
    what: str


class NotRun(Exception):
    """A check that this machine cannot make, and why: it is neither passed nor failed."""


@dataclass(frozen=True)
class Rig:
    """Where a check trains and what."""

    device: str
    folder: Path
    overrides: tuple[str, ...]
    """Of the command line, all but the device; runs go to `folder`."""
    resolve: Callable[..., Plan]
    """Plan the run of these overrides and further ones."""

    def train(self, *plans: Plan, **runtime: object) -> tuple[list[RunRecord], list[list[float]]]:
        """Train runs in lockstep in a store of their own; return their records, and the losses of their steps."""
        store = Store(self.folder / f"store-{time.monotonic_ns()}")
        records = trainer.train(Job(plans), self.runtime(plans[0], **runtime), store, _Quiet())
        return records, [losses(store, plan) for plan in plans]

    def runtime(self, plan: Plan, **changes: object):
        """Runtime of a plan on the rig's device, in float32 and eager unless changed."""
        common = {"device": self.device, "dtype": "float32", "compile": False}
        return dataclasses.replace(plan.config.runtime, **(common | changes))

    def command(self, runs_dir: Path, *overrides: str) -> list[str]:
        """The command line that trains a run on the rig's device."""
        where = (f"runtime.device={self.device}", f"runtime.runs_dir={runs_dir}")
        return ["scaling_harness.train", *self.overrides, *where, *overrides]


class _Quiet:
    def tick(self, step: int) -> None:
        pass

    def confirm(self) -> None:
        pass


def losses(store: Store, plan: Plan) -> list[float]:
    """Losses of the steps of a run, each of which must be there once."""
    rows = [json.loads(line) for line in store.metrics_path(plan.run_id).read_text().splitlines()]
    steps = [row for row in rows if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, plan.n_steps + 1)), "a step is missing or there twice"
    return [row["loss"] for row in steps]


def difference(some: Sequence[float], others: Sequence[float]) -> float:
    """Largest relative difference of two lists."""
    return max(abs(a - b) / abs(b) for a, b in zip(some, others, strict=True))


def _valid(records: Sequence[RunRecord]) -> list[float]:
    return [record.losses["valid"].loss_nats for record in records]


def float32_curve(rig: Rig) -> Finding:
    """Without TF32, the curve is the CPU's."""
    assert torch.get_float32_matmul_precision() == "highest", "TF32 is on"
    plan = rig.resolve()
    (record,), (curve,) = rig.train(plan)
    (expected,), (reference,) = rig.train(plan, device="cpu")
    apart = difference([*curve, *_valid([record])], [*reference, *_valid([expected])])
    return Finding(apart, 1e-3, "largest relative difference of a loss from the CPU's")


def bfloat16(rig: Rig) -> Finding:
    """Over four seeds, bfloat16 ends where float32 does."""
    plans = [rig.resolve(f"seed={seed}", "optim.lr=0.002") for seed in range(4)]
    low, high = (_valid(rig.train(*plans, dtype=dtype)[0]) for dtype in ("bfloat16", "float32"))
    mean = statistics.mean((a - b) / b for a, b in zip(low, high, strict=True))
    return Finding(abs(mean), 3e-3, "mean relative difference from float32 of the final losses of four seeds")


def compiled(rig: Rig) -> Finding:
    """`torch.compile` does not change a curve, nor does it when a run leaves the stack."""
    plans = [rig.resolve(), rig.resolve("seed=1", f"budget.n_tokens={rig.resolve().n_tokens // 2}")]
    (_, eager), (_, fast) = rig.train(*plans), rig.train(*plans, compile=True)
    apart = max(difference(a, b) for a, b in zip(fast, eager, strict=True))
    return Finding(apart, 1e-3, "largest relative difference of a loss from the eager one")


def as_shipped(rig: Rig) -> Finding:
    """`runtime=cuda` with nothing changed, a batch in three parts and a head in parts too, has float32's curve."""
    plan = _plan_of_a_large_vocabulary(rig)
    shipped, third = plan.config.runtime, plan.batch_seqs // 3
    assert (shipped.dtype, shipped.compile) == ("bfloat16", True), "conf/runtime/cuda.yaml is another"
    tokens = third * plan.config.model.n_ctx
    assert logit_rows(1, plan.data.vocab_size, tokens, rig.device != "cpu") < tokens, "the head is not in parts"
    one_thread = {"threads": 1} if rig.device == "cpu" else {}
    kept = {"dtype": shipped.dtype, "compile": shipped.compile}
    (record,), (curve,) = rig.train(plan, micro_batch=third, **kept, **one_thread)
    (expected,), (reference,) = rig.train(plan, **one_thread)
    apart = difference([*curve, *_valid([record])], [*reference, *_valid([expected])])
    return Finding(apart, 1e-2, "largest relative difference of a loss from that in float32, eager, with a whole batch")


def _plan_of_a_large_vocabulary(rig: Rig) -> Plan:
    """A run on bytes whose model allows for more tokens than there are: a third of its batch needs a head in parts."""
    vocab_size, third, n_steps = (8193, 66 * 32, 3) if rig.device == "cpu" else (65536, 64 * 128, 30)
    budget = (f"budget.batch_tokens={3 * third}", f"budget.n_tokens={3 * third * n_steps}", "data.max_epochs=1000")
    plan = rig.resolve("runtime=cuda", *budget)
    return resolve(plan.config, dataclasses.replace(plan.data, vocab_size=vocab_size))


def stack_of_runs(rig: Rig) -> Finding:
    """Runs in lockstep have the curves that each has alone."""
    plans = [rig.resolve(f"seed={seed}", f"optim.lr={lr}") for seed, lr in enumerate((0.001, 0.002, 0.003, 0.004))]
    _, together = rig.train(*plans)
    alone = [rig.train(plan)[1][0] for plan in plans]
    apart = max(difference(a, b) for a, b in zip(together, alone, strict=True))
    return Finding(apart, 0.0 if rig.device == "cpu" else 1e-3, "largest relative difference of a loss from that alone")


def kill_and_resume(rig: Rig) -> Finding:
    """A process that is killed leaves a checkpoint, from which the curve goes on as if nothing had been."""
    plan = rig.resolve("budget.n_tokens=12800" if rig.device == "cpu" else "budget.n_tokens=4096000")
    _, (undisturbed,) = rig.train(plan)
    store = Store(rig.folder / "killed")
    steps = f"budget.n_tokens={plan.n_tokens}"
    with _process(["-m", *rig.command(store.runs_dir, steps, "runtime.checkpoint_every_s=1e-9")]) as process:
        path = store.checkpoint_path(plan.run_id)
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists(), "the run ended before it was killed"
    assert execute(Job((plan,)), rig.runtime(plan), store, Stop()).kind == "completed"
    apart = difference(losses(store, plan), undisturbed)
    return Finding(apart, 0.0 if rig.device == "cpu" else 1e-3, "largest relative difference of a loss if undisturbed")


def out_of_memory(rig: Rig) -> Finding:
    """A run that does not fit is tried once more, with half the micro-batch and all the memory."""
    batch = 128 if rig.device == "cpu" else 131072
    plan, store = rig.resolve(f"budget.batch_tokens={batch}", f"budget.n_tokens={2 * batch}"), Store(rig.folder / "oom")
    # On a GPU: more than one context is predicted to take, less than the batch does, about 1.5 GB.
    share = 1.0 if rig.device == "cpu" else 6e8 / torch.cuda.get_device_properties(0).total_memory
    train = _fails_on_a_whole_batch if rig.device == "cpu" else trainer.train
    with mock.patch.object(trainer, "fitting_micro_batch", return_value=None):  # the whole batch, as if it would fit
        runtime = rig.runtime(plan, gpu_share=share)
        outcomes = [execute(Job((plan,)), runtime, store, Stop(), train) for _ in range(2)]
    assert [outcome.kind for outcome in outcomes] == ["failed", "completed"], outcomes
    assert "OutOfMemoryError" in (outcomes[0].reason or ""), outcomes
    used = store.read(plan.run_id).runtime["micro_batch"]
    return Finding(used, plan.batch_seqs / 2, f"micro-batch of the second attempt, of {plan.batch_seqs} contexts")


def _fails_on_a_whole_batch(job, runtime, store, oversight):
    """Stands for a GPU whose memory ends: on a CPU the kernel would kill the process."""
    if runtime.micro_batch is None:
        raise MemoryError(f"{micro_batch_words(job.runs[0].batch_seqs)}: OutOfMemoryError: as a GPU says it")
    return trainer.train(job, runtime, store, oversight)


def two_slots(rig: Rig) -> Finding:
    """Two processes at once on one card, with half its memory each, train what each does alone."""
    plans = [rig.resolve(f"seed={seed}") for seed in (1, 2)]
    store = Store(rig.folder / "slots")
    with contextlib.ExitStack() as stack:
        commands = [rig.command(store.runs_dir, f"seed={seed}", "runtime.gpu_share=0.45") for seed in (1, 2)]
        for process in [stack.enter_context(_process(["-m", *command])) for command in commands]:
            _succeed(process)
    alone = [rig.train(plan)[1][0] for plan in plans]
    apart = max(difference(losses(store, plan), curve) for plan, curve in zip(plans, alone, strict=True))
    return Finding(apart, 0.0 if rig.device == "cpu" else 1e-3, "largest relative difference of a loss from that alone")


def no_waiting(rig: Rig) -> Finding:
    """The host never waits for the device within a step; on a CPU, for a device whose numbers cannot be read."""
    device = "meta" if rig.device == "cpu" else rig.device
    stack, waited = _stack(rig, rig.resolve(), device), 0
    forbid = torch.cuda.set_sync_debug_mode if device == "cuda" else str
    for step in range(4):
        forbid("error" if step else "default")  # the first step may wait: it allocates
        try:
            stack.step(step)
        except RuntimeError as error:
            waited += 1
            print(error)
        finally:
            forbid("default")
    stack.close()
    return Finding(waited, 0, "steps in which the host waited, of 4")


def noise_scale(rig: Rig) -> Finding:
    """The gradient noise of the same parameters and sequences is the CPU's."""
    plan = rig.resolve()
    here, there = (_stack(rig, plan, device) for device in (rig.device, "cpu"))
    apart = difference(here.measure_noise(0, 0), there.measure_noise(0, 0))
    return Finding(apart, 1e-3, "largest relative difference of |G|^2 and tr(Sigma) from the CPU's")


def evaluation(rig: Rig) -> Finding:
    """The held-out loss of the same parameters is the CPU's, as a whole and block by block."""
    plan = rig.resolve()
    results = []
    for device in (rig.device, "cpu"):
        stack = _stack(rig, plan, device)
        results.append(stack.evaluate(0, stack.source.evaluation_windows("valid", 64 * plan.config.model.n_ctx)))
    here, there = ([result.loss_nats, result.stderr_nats, *result.block_losses_nats] for result in results)
    return Finding(difference(here, there), 1e-4, "largest relative difference from the CPU's")


def _stack(rig: Rig, plan: Plan, device: str) -> Stack:
    return Stack([plan], rig.runtime(plan, device=device), Ranks(), device)


def several_processes(rig: Rig) -> Finding:
    """A process per GPU (NCCL), or two on a CPU (gloo), train together what one does, through torchrun."""
    _add_up_alone(rig)
    plan, batch, n = _plan_for_several(rig)
    store = Store(rig.folder / "several")
    with _process([*_torchrun(n), *rig.command(store.runs_dir, *batch)]) as process:
        _succeed(process)
    _, (alone,) = rig.train(plan)
    return Finding(difference(losses(store, plan), alone), 1e-3, f"largest relative difference, {n} processes from one")


def sharded_optimizer(rig: Rig) -> Finding:
    """Processes that share the moments train what one does; a checkpoint of theirs is one that a single one resumes."""
    plan, batch, n = _plan_for_several(rig, n_steps=500)
    store = Store(rig.folder / "sharded")
    options = (*batch, "runtime.shard_optimizer=true", "runtime.checkpoint_every_s=1e-9")
    with _process([*_torchrun(n), *rig.command(store.runs_dir, *options)]) as process:
        metrics = store.metrics_path(plan.run_id)
        while process.poll() is None and not (metrics.exists() and metrics.read_text().count("loss") > 50):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)  # torchrun passes it on
        _, said = process.communicate(timeout=300)
    assert store.checkpoint_path(plan.run_id).exists(), f"the run ended before it was stopped: {said}"
    assert execute(Job((plan,)), rig.runtime(plan), store, Stop()).kind == "completed"
    assert not [warning for warning in store.read(plan.run_id).warnings if "checkpoint" in warning]
    _, (alone,) = rig.train(plan)
    return Finding(difference(losses(store, plan), alone), 1e-4, f"largest relative difference, {n} processes from one")


def _plan_for_several(rig: Rig, n_steps: int = 100) -> tuple[Plan, tuple[str, ...], int]:
    """A run whose batch is a context or more for each process; the overrides that make it so; the processes."""
    n = 2 if rig.device == "cpu" else torch.cuda.device_count()
    if n == 1:  # a process alone would share nothing, and pass
        raise NotRun("one GPU")
    batch_tokens = n * (32 if rig.device == "cpu" else 1024)
    batch = (f"budget.batch_tokens={batch_tokens}", f"budget.n_tokens={batch_tokens * n_steps}")
    return rig.resolve(*batch), batch, n


def _add_up_alone(rig: Rig) -> None:
    """Call NCCL, or gloo on a CPU, in this process: on a single GPU training never does."""
    store = dist.FileStore(str(rig.folder / "rendezvous"), 1)
    dist.init_process_group("gloo" if rig.device == "cpu" else "nccl", store=store, rank=0, world_size=1)
    try:
        ones = torch.ones(1024, device=rig.device)
        dist.all_reduce(ones)
        assert ones.eq(1).all(), "the sum over one process is not its own number"
    finally:
        dist.destroy_process_group()


def _torchrun(n: int) -> list[str]:
    return ["-m", "torch.distributed.run", f"--nproc-per-node={n}", "--standalone", "-m"]


def _succeed(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


@contextlib.contextmanager
def _process(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


CHECKS = (
    float32_curve,
    bfloat16,
    compiled,
    as_shipped,
    stack_of_runs,
    kill_and_resume,
    out_of_memory,
    two_slots,
    no_waiting,
    noise_scale,
    several_processes,
    sharded_optimizer,
    evaluation,
)
"""In the order of the suite."""
