"""Processes that train when their parent asks, for as long as it asks, and report their speed."""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, Self

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.execution.execute import load_train
from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.training.memory import keep_freed_memory, peak_memory_bytes
from scaling_harness.training.oversight import Interrupted

_GEMM_SIZE = 1024
GEMM_FLOPS = 2 * _GEMM_SIZE**3
"""FLOPs of a step of the task `gemm`."""

Task = Job | Literal["gemm"]
_Process = get_context("spawn").Process


@dataclass(frozen=True)
class Sample:
    """Speed and memory of processes over some seconds, summed over processes."""

    steps_per_s: float
    cores: float
    """CPU seconds per second."""
    memory_bytes: int
    """Peak resident memory."""


class Side:
    """One way to train, in processes that wait until they are told to go.

    Parameters
    ----------
    train : str
        `module:function` that trains; see `execute.Train`.
    n_processes : int
        Number of processes side by side.
    runtime : RuntimeConfig
        `threads` of each process.
    keep_memory : bool
        Whether each keeps freed memory, as our workers do.
    """

    def __init__(self, train: str, n_processes: int, runtime: RuntimeConfig, keep_memory: bool = False) -> None:
        self._processes, self._pipes = [], []
        for _ in range(n_processes):
            ours, theirs = Pipe()
            process = _Process(target=_serve, args=(theirs, train, runtime, keep_memory), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()

    @property
    def n_processes(self) -> int:
        """Number of processes."""
        return len(self._processes)

    def begin(self, tasks: Sequence[Task]) -> None:
        """Give each process a new task in place of its old one; it starts the task, and waits for `go`."""
        for pipe, task in zip(self._pipes, tasks, strict=True):
            pipe.send(task)

    def go(self, seconds: float) -> Sample:
        """Let all processes work for some seconds, and return what they did together.

        Raises
        ------
        HarnessError
            A process died.
        """
        try:
            for pipe in self._pipes:
                pipe.send(seconds)
            samples = [pipe.recv() for pipe in self._pipes]
        except (EOFError, OSError) as error:
            raise HarnessError("a process of the benchmark died; see the reason above") from error
        return Sample(*(sum(values) for values in zip(*(vars(sample).values() for sample in samples), strict=True)))


class _PacedOversight:
    """Oversight that lets a training run only while the parent says so."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.next_task: Task | None = None
        self._until = self._clock = self._cpu_s = 0.0
        self._steps = 0

    def tick(self, step: int) -> None:
        """Continue, or report and wait; the first step is not measured."""
        self._steps += 1
        clock = time.monotonic()
        if step > 1 and clock < self._until:
            return
        if step > 1:
            wall_s, cpu_s = clock - self._clock, time.process_time() - self._cpu_s
            self._pipe.send(Sample(self._steps / wall_s, cpu_s / wall_s, peak_memory_bytes()))
        self._wait()

    def _wait(self) -> None:
        """Wait for the parent to say how long to continue, or to send the next task."""
        message = self._pipe.recv()
        if not isinstance(message, float):
            self.next_task = message
            raise Interrupted("another task")
        self._steps, self._clock, self._cpu_s = 0, time.monotonic(), time.process_time()
        self._until = self._clock + message

    def confirm(self) -> None:
        """Do nothing: no other process trains this run."""


def _serve(pipe: Connection, target: str, runtime: RuntimeConfig, keep_memory: bool) -> None:
    """Work on one task after another until the parent is gone."""
    if keep_memory:
        keep_freed_memory()
    train = load_train(target)
    with contextlib.suppress(EOFError):
        task: Task | None = pipe.recv()
        while task is not None:
            oversight = _PacedOversight(pipe)
            with contextlib.suppress(Interrupted), tempfile.TemporaryDirectory() as directory:
                if isinstance(task, Job):
                    train(task, runtime, Store(Path(directory)), oversight)
                else:
                    _multiply(runtime.threads, oversight)
            task = oversight.next_task


def _multiply(threads: int, oversight: _PacedOversight) -> None:
    """Multiply square matrices without end."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.randn(2, _GEMM_SIZE, _GEMM_SIZE)
    out = torch.empty_like(a)
    for step in itertools.count(1):
        torch.mm(a, b, out=out)
        oversight.tick(step)
