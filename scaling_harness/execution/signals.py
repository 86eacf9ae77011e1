"""Stop in order: a signal asks for it, and the work so far is saved first."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from types import FrameType

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends for whatever reason; Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Stop:
    """Call it to learn whether to stop: a signal asked for it, or the process that started this one is gone."""

    def __init__(self, parent: int | None = None) -> None:
        self.requested = False
        self._parent = parent

    def __call__(self) -> bool:
        """Whether to save and exit."""
        return self.requested or (self._parent is not None and os.getppid() != self._parent)


@contextlib.contextmanager
def stop_on_signals(parent: int | None = None, patient: bool = False) -> Iterator[Stop]:
    """Turn the first interrupt, termination or hang-up into an orderly stop; a second one has its usual effect.

    Parameters
    ----------
    parent : int, optional
        Parent process whose end is a reason to stop as well.
    patient : bool
        Whether later signals, and USR2, also ask for an orderly stop, as for processes that a scheduler signals
        several times; only SIGKILL then ends them at once.
    """
    stop = Stop(parent)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *((signal.SIGUSR2,) if patient else ()))
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.requested = True
        if not patient:
            signal.signal(number, before[signal.Signals(number)])

    # A signal that was ignored before (nohup, a shell's background) stays ignored.
    caught = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number in caught:
            signal.signal(number, before[number])
