"""Do one thing for every part with all cores, and show how far it is."""

import contextlib
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from scaling_harness.data.shards.parts import Part
from scaling_harness.errors import HarnessError

_LINE_EVERY_S = 60.0
_LOOK_EVERY_S = 0.2


class Task(Protocol):
    """What is done for one part."""

    @property
    def part(self) -> Part:
        """The part."""
        ...


_Task = TypeVar("_Task", bound=Task)


class Context:
    """Of a process: it counts the bytes of text that all processes have read."""

    def __init__(self, counter: Any = None) -> None:
        self._counter = counter

    def advance(self, n_bytes: int) -> None:
        """Note that so many bytes of text were worked on."""
        if self._counter is not None:
            with self._counter.get_lock():
                self._counter.value += n_bytes


def n_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def for_each_part(
    work: Callable[[_Task, Context], None], tasks: Sequence[_Task], what: str, done_bytes: int = 0
) -> None:
    """Do some work for every part, in as many processes as there are cores.

    Parameters
    ----------
    work : callable
        A function of a module, called with each task.
    tasks : sequence
        Tasks, in any order.
    what : str
        What is done, for the progress bar.
    done_bytes : int
        Bytes of the files whose tasks were done before.

    Raises
    ------
    HarnessError
        A process was killed; or what `work` raised.
    """
    spawn = multiprocessing.get_context("spawn")  # a fork would copy torch's threads
    counter = spawn.Value("q", 0)
    shown = _Shown(what, done_bytes, [task.part.size for task in tasks], lambda: counter.value)
    with shown:
        if len(tasks) < 2 or n_cores() == 1:
            for task in tasks:
                work(task, Context(counter))
                shown.finish(task.part.size)
            return
        with _quiet_tokenizers():
            pool = ProcessPoolExecutor(min(n_cores(), len(tasks)), spawn, _begin, (counter,))
            try:
                _run(pool, work, tasks, shown)
            finally:
                pool.shutdown(cancel_futures=True)


def _run(
    pool: ProcessPoolExecutor, work: Callable[[_Task, Context], None], tasks: Sequence[_Task], shown: "_Shown"
) -> None:
    left: dict[Future[None], _Task] = {pool.submit(_work, work, task): task for task in tasks}
    while left:
        ended, _ = wait(left, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED)
        for future in ended:
            task = left.pop(future)
            try:
                future.result()
            except BrokenProcessPool as error:
                raise HarnessError(
                    f"a process was killed near {task.part.path}, for want of memory or by someone: start again, with "
                    "fewer cores (taskset) if memory is short; what was done is kept"
                ) from error
            shown.finish(task.part.size)
        shown.look()


@contextlib.contextmanager
def _quiet_tokenizers() -> Iterator[None]:
    """One thread for the tokenizer of each process, for there is a process a core."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


_here = Context()


def _begin(counter: Any) -> None:
    global _here
    _here = Context(counter)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A killed parent leaves no process behind."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _work(work: Callable[[_Task, Context], None], task: _Task) -> None:
    work(task, _here)


class _Shown:
    """A progress bar on a terminal; a line a minute elsewhere. Sizes are of files, speeds of text."""

    def __init__(self, what: str, done: int, sizes: Sequence[int], n_text: Callable[[], int]) -> None:
        self._what, self._n_text = what, n_text
        self._before, self._done, self._total = done, 0, sum(sizes)
        self._began = self._said = time.monotonic()

    def __enter__(self) -> "_Shown":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._terminal = console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
        self._bar = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not self._terminal
        )
        self._task = self._bar.add_task(self._what, total=self._total or None, speed="")
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def finish(self, size: int) -> None:
        """Note that a part is done."""
        self._done += size
        self.look()

    def look(self) -> None:
        """Update the bar, or print a line if it is time."""
        now, text = time.monotonic(), self._n_text()
        speed = text / max(1e-9, now - self._began)
        total = self._before + self._total
        of = f"{(self._before + self._done) / 1e6:,.0f} of {total / 1e6:,.0f} MB of files" if total else "streaming"
        said = f"{of}, {text / 1e6:,.0f} MB of text, {speed / 1e6:.3g} MB/s"
        self._bar.update(self._task, completed=self._done, speed=said)
        if not self._terminal and now - self._said >= _LINE_EVERY_S:
            self._said = now
            left = (self._total - self._done) / self._done * (now - self._began) if self._done else None
            print(f"{self._what}: {said}" + (f", about {left / 60:.0f} min left" if left else ""), file=sys.stderr)
