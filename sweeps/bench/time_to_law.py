"""Train two sweeps, ours and the plain baseline's, each within its own time. Every step is a separate command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.config.compose import compose
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.store import Store
from sweeps.launchers.preflight import check_launch, write_sweep
from sweeps.planning.plan_sweep import plan_sweep
from sweeps.tuning.tuned_settings import TUNE_FILE, read_tuned, tuned_overrides
from sweeps.workers.resources import imports

OVER = "optim.lr,budget.batch_tokens"
"""Fields that the baseline's search varies."""
_INTERRUPTED = (130, -signal.SIGINT)


@dataclass(frozen=True)
class TimedSweeps:
    """Our sweep and the baseline's, and the training time of each.

    Attributes
    ----------
    directory : Path
        Folder of the runs of both.
    sweep, baseline : str
        Names in conf/sweep; the baseline is tuned by the sweep `<baseline>-tune`.
    minutes, baseline_minutes : float
        Minutes of training.
    trials : int
        Number of trials of the baseline's search, whose time is not counted.
    overrides : tuple of str
        Overrides of both configurations.
    config_dir : Path or None
        Folder of further configuration groups.
    """

    directory: Path
    sweep: str
    baseline: str
    minutes: float
    baseline_minutes: float
    trials: int
    overrides: tuple[str, ...] = ()
    config_dir: Path | None = None

    def __post_init__(self) -> None:
        if min(self.minutes, self.baseline_minutes) <= 0 or self.trials < 1:
            raise UserError(
                f"--minutes is {self.minutes:g}, --baseline-minutes {self.baseline_minutes:g} and --trials "
                f"{self.trials}: set the minutes above 0 and --trials at least 1"
            )

    @property
    def ours(self) -> Path:
        """Folder of our sweep."""
        return self.directory / "ours" / self.sweep

    @property
    def theirs(self) -> Path:
        """Folder of the baseline's sweep."""
        return self.directory / "baseline" / self.baseline

    @property
    def tuning(self) -> str:
        """Name of the sweep by which the baseline is tuned."""
        return f"{self.baseline}-tune"


def train_both(sides: TimedSweeps, spent_s: Callable[[Path], float]) -> str:
    """Train both sweeps, or what is left of them.

    Parameters
    ----------
    sides : TimedSweeps
        The sweeps to train.
    spent_s : callable
        Returns the seconds of training that the runs in a sweep's folder have had so far.

    Returns
    -------
    str
        Effort with which the baseline was tuned.

    Raises
    ------
    HarnessError
        A command failed.
    KeyboardInterrupt
        A command was interrupted before its time was over.
    """
    ours_left = 60 * sides.minutes - spent_s(sides.ours)
    _harness("sweep", "run", sides.sweep, *_where(sides, sides.ours), seconds=ours_left)
    if not (sides.theirs.parent / sides.tuning / TUNE_FILE).exists():
        search = (f"--over={OVER}", f"--trials={sides.trials}")
        _harness("tune", sides.tuning, *search, *_where(sides, sides.theirs))
    _write_baseline(sides)
    theirs_left = 60 * sides.baseline_minutes - spent_s(sides.theirs)
    run_for([sys.executable, "-m", "sweeps.bench.train_plain", str(sides.theirs)], theirs_left)
    return read_tuned(sides.theirs.parent, sides.tuning)["effort"]


def _where(sides: TimedSweeps, sweep_dir: Path) -> list[str]:
    more = [f"--config-dir={sides.config_dir}"] if sides.config_dir else []
    return [*sides.overrides, f"--runs-dir={sweep_dir.parent}", *more]


def _write_baseline(sides: TimedSweeps) -> None:
    """Write the list of the baseline's runs, with the settings that its search chose."""
    runs_dir = sides.theirs.parent
    overrides = [f"sweep={sides.baseline}", *tuned_overrides(runs_dir, sides.tuning), *sides.overrides]
    manifest = plan_sweep(compose([*overrides, f"runtime.runs_dir={runs_dir}"], sides.config_dir))
    store = Store(runs_dir)
    check_launch(manifest, store)
    write_sweep(manifest, store)


def _harness(*words: str, seconds: float | None = None) -> None:
    run_for([sys.executable, "-m", "scaling_harness", *words], seconds)


def run_for(command: Sequence[str], seconds: float | None = None) -> None:
    """Run a command for at most some seconds, then ask it to stop; its output goes to stderr.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    seconds : float, optional
        Time limit; None for no limit. At 0 or less the command is not started.

    Raises
    ------
    HarnessError
        The command failed.
    KeyboardInterrupt
        The command was interrupted before its time was over.
    """
    if seconds is not None and seconds <= 0:
        return
    print(" ".join(command[1:]), file=sys.stderr)
    ends = None if seconds is None else time.monotonic() + seconds
    with subprocess.Popen(command, stdout=sys.stderr, env={**os.environ, **imports()}) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    if process.returncode in _INTERRUPTED:
        if ends is None or time.monotonic() < ends:
            raise KeyboardInterrupt
    elif process.returncode:
        raise HarnessError(f"`{' '.join(command[1:])}` failed; see the reason above")
