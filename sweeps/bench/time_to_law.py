"""Train two sweeps, ours and the plain baseline's, each in its own time. Every step is a command of its own."""

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
from sweeps.launchers.preflight import check, start
from sweeps.planning.plan_sweep import plan_sweep
from sweeps.tuning.tuned_settings import TUNE_FILE, read_tuned, tuned_overrides

OVER = "optim.lr,budget.batch_tokens"
"""What the baseline's search is over."""
_INTERRUPTED = (130, -signal.SIGINT)


@dataclass(frozen=True)
class Sides:
    """Two sweeps and the time that each has.

    Attributes
    ----------
    directory : Path
        Of the runs of both.
    sweep, baseline : str
        Names of conf/sweep; the baseline is tuned by the sweep `<baseline>-tune`.
    minutes, baseline_minutes : float
        Of training.
    trials : int
        Of the baseline's search, which has time of its own.
    overrides : tuple of str
        Of both configurations.
    config_dir : Path or None
        More configuration groups.
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
            raise UserError("--minutes and --baseline-minutes must be above 0, --trials at least 1")

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
        """The sweep by which the baseline is tuned: another file, beside that of its grid."""
        return f"{self.baseline}-tune"


def train_sides(sides: Sides, spent_s: Callable[[Path], float]) -> str:
    """Train both sides, or what is left of them.

    Parameters
    ----------
    sides : Sides
        What to train.
    spent_s : callable
        Seconds in which runs of a sweep's folder were training so far.

    Returns
    -------
    str
        With how much effort the baseline was tuned.

    Raises
    ------
    HarnessError
        A command failed.
    KeyboardInterrupt
        A command was interrupted before its time.
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


def _where(sides: Sides, sweep_dir: Path) -> list[str]:
    more = [f"--config-dir={sides.config_dir}"] if sides.config_dir else []
    return [*sides.overrides, f"--runs-dir={sweep_dir.parent}", *more]


def _write_baseline(sides: Sides) -> None:
    """List the baseline's runs, with the settings that its search found."""
    runs_dir = sides.theirs.parent
    overrides = [f"sweep={sides.baseline}", *tuned_overrides(runs_dir, sides.tuning), *sides.overrides]
    manifest = plan_sweep(compose([*overrides, f"runtime.runs_dir={runs_dir}"], sides.config_dir))
    store = Store(runs_dir)
    check(manifest, store)
    start(manifest, store)


def _harness(*words: str, seconds: float | None = None) -> None:
    run_for([sys.executable, "-m", "scaling_harness", *words], seconds)


def run_for(command: Sequence[str], seconds: float | None = None) -> None:
    """Run a command for some seconds at most, then ask it to stop; what it prints goes to stderr.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    seconds : float, optional
        None for as long as it takes; not even started if there are none.

    Raises
    ------
    HarnessError
        It failed.
    KeyboardInterrupt
        It was interrupted before its time.
    """
    if seconds is not None and seconds <= 0:
        return
    print(" ".join(command[1:]), file=sys.stderr)
    ends = None if seconds is None else time.monotonic() + seconds
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    if process.returncode in _INTERRUPTED:
        if ends is None or time.monotonic() < ends:
            raise KeyboardInterrupt
    elif process.returncode:
        raise HarnessError(f"`{' '.join(command[1:])}` failed; the reason stands above")
