"""Calls shared between this process and a second one, for two cores; what comes back is as if one had made them all.

The second process is a Python of its own that calls come to through a pipe: nothing is forked, and no script or
notebook is run again. It refuses to warn, and whatever fails there is done again here, so that errors and warnings are
those of one process.
"""

import contextlib
import io
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from threadpoolctl import threadpool_limits

from analysis.laws.law import Law
from analysis.laws.registry import LAWS, law_named

Call = Callable[[], Any]
"""Work without arguments: a `functools.partial` of a function of some module, or the second process cannot make it."""
Share = Callable[[Sequence[Call]], list[Any]]
"""Makes calls that do not depend on each other, long ones first, and gives their results in order."""

ENOUGH_RESAMPLES = 500
"""With fewer the work is over before a second process has started."""
_FORGET = None
"""Sent before the first of several calls: they refer to what came with earlier ones of them."""
_START = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = sys.argv[1:]
import analysis.report.write
from analysis.report.second_process import serve
serve()
"""


def in_turn(calls: Sequence[Call]) -> list[Any]:
    """Make all calls here.

    Parameters
    ----------
    calls : sequence of callable
        Without arguments.

    Returns
    -------
    list
        Their results.
    """
    return [call() for call in calls]


@contextlib.contextmanager
def second_process(resamples: int) -> Iterator[Share]:
    """Start a second process if there is a core for it and enough to do.

    Parameters
    ----------
    resamples : int
        Resamples of the intervals.

    Yields
    ------
    Share
        `in_turn` without a second process.
    """
    with _one_thread():
        if resamples < ENOUGH_RESAMPLES or _cores() < 2 or not sys.executable:
            yield in_turn
            return
        command = [sys.executable, "-c", _START, *sys.path]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere) as process:
            try:
                yield _Second(process).share
            finally:
                process.kill()
                process.communicate()


def _one_thread() -> contextlib.AbstractContextManager[object]:
    """Products of matrices take one thread: they round alike on any number of cores, and do not wait for each other."""
    return threadpool_limits(1, "blas")


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Second:
    """The second process, as this one sees it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    def share(self, calls: Sequence[Call]) -> list[Any]:
        """Both take the next call until none is left; what failed there is made here."""
        left, done = deque(enumerate(calls)), {}
        taken = _next(left)  # the first is made here: the second process may still be starting
        thread = threading.Thread(target=self._take, args=(left, done), daemon=True)
        thread.start()
        try:
            while taken:
                done[taken[0]] = taken[1]()
                taken = _next(left)
        finally:
            left.clear()
        thread.join()
        return [done[i] if i in done else call() for i, call in enumerate(calls)]

    def _take(self, left: deque[tuple[int, Call]], done: dict[int, Any]) -> None:
        with contextlib.suppress(Exception):  # among them a process that was killed, or could not start
            send = _sender(self._to)
            while taken := _next(left):
                send(taken[1])
                made, value = pickle.load(self._from)
                if made:
                    done[taken[0]] = value


def _next(left: deque[tuple[int, Call]]) -> tuple[int, Call] | None:
    try:
        return left.popleft()
    except IndexError:
        return None


class _Pickler(pickle.Pickler):
    """A law goes by its name: what is derived from it are often functions without one."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Law) and LAWS.get(obj.name) is obj:
            return law_named, (obj.name,)
        return NotImplemented


def pickled(message: Any) -> bytes:
    """A call or a result as it is sent.

    Parameters
    ----------
    message : Any
        Made of functions of modules, laws of the registry, and data.

    Returns
    -------
    bytes
    """
    whole = io.BytesIO()
    _Pickler(whole, pickle.HIGHEST_PROTOCOL).dump(message)
    return whole.getvalue()


def _send(pipe: IO[bytes], message: Any) -> None:
    pipe.write(pickled(message))
    pipe.flush()


def _sender(pipe: IO[bytes]) -> Callable[[Call], None]:
    """Send calls one by one; what several are made of, such as all runs, goes once."""
    whole = io.BytesIO()
    pickler = _Pickler(whole, pickle.HIGHEST_PROTOCOL)
    _send(pipe, _FORGET)

    def send(call: Call) -> None:
        whole.seek(0)
        whole.truncate()
        pickler.dump(call)
        pipe.write(whole.getbuffer())
        pipe.flush()

    return send


def serve() -> None:
    """Make the calls that come in, and send back what they give, until no more can come."""
    calls, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a call prints is no result
    warnings.simplefilter("error")
    received = pickle.Unpickler(calls)
    with _one_thread(), contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            if (call := received.load()) is _FORGET:
                received = pickle.Unpickler(calls)
            else:
                _answer(call, results)


def _answer(call: Call, results: IO[bytes]) -> None:
    try:
        _send(results, (True, call()))
    except BrokenPipeError:
        raise
    except Exception:
        _send(results, (False, None))
