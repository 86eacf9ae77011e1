"""`bench law`: a law by ours and by the plain baseline, each in its time. Every step is a command of its own.

Imports that cost time stand inside.
"""

import json
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from scaling_harness.errors import HarnessError, UserError

DIRECTORY = Path("runs") / "bench-law"
OVER = "optim.lr,budget.batch_tokens"
_INTERRUPTED = (130, -signal.SIGINT)


def bench_law(options: Namespace) -> int:
    """Train both sides, or what is left of them, and compare their records."""
    from analysis.bench.time_to_law import compare, print_comparison
    from analysis.laws.registry import LAWS
    from analysis.to_json import to_json
    from scaling_harness.cli.verbs_tune import TUNE_FILE
    from sweeps.planning.manifest import read_manifest

    if min(options.minutes, options.baseline_minutes) <= 0 or options.trials < 1:
        raise UserError("--minutes and --baseline-minutes must be above 0, --trials at least 1")
    directory = Path(options.directory) if options.directory else DIRECTORY
    ours, baseline = directory / "ours" / options.sweep, directory / "baseline" / options.baseline
    tuning = _tuning(options)
    _train("sweep", "run", options.sweep, *_where(options, ours), until=_left(ours, options.minutes))
    if not (baseline.parent / tuning / TUNE_FILE).exists():
        _train("tune", tuning, f"--over={OVER}", f"--trials={options.trials}", *_where(options, baseline))
    _write_baseline(options, baseline)
    _run(
        [sys.executable, "-m", "sweeps.bench.train_plain", str(baseline)],
        _left(baseline, options.baseline_minutes),
    )
    found = compare(ours, baseline, LAWS[read_manifest(ours).law])
    effort = json.loads((baseline.parent / tuning / TUNE_FILE).read_bytes())["effort"]
    if options.json:
        print(json.dumps(to_json(found) | {"baseline_tuned_by": effort}))
    else:
        print_comparison(found)
        print(f"the baseline was tuned, in time of its own, by {effort}; ours is as its sweep says")
    return 0


def _tuning(options: Namespace) -> str:
    """The sweep by which the baseline is tuned: another file, beside that of its grid."""
    return f"{options.baseline}-tune"


def _where(options: Namespace, sweep_dir: Path) -> list[str]:
    more = [f"--config-dir={options.config_dir}"] if options.config_dir else []
    return [*options.overrides, f"runtime.runs_dir={sweep_dir.parent}", *more]


def _write_baseline(options: Namespace, sweep_dir: Path) -> None:
    """List the baseline's runs, with the settings that its search found."""
    from scaling_harness.cli.verbs_sweep import planned
    from scaling_harness.record.store import Store
    from sweeps.launchers.preflight import check, start

    overrides = [*options.overrides, f"runtime.runs_dir={sweep_dir.parent}"]
    manifest = planned(
        Namespace(name=options.baseline, tuned=_tuning(options), overrides=overrides, config_dir=options.config_dir)
    )
    store = Store(sweep_dir.parent)
    check(manifest, store)
    start(manifest, store)


def _left(sweep_dir: Path, minutes: float) -> float:
    """Seconds of training that a sweep has left."""
    from analysis.report.summary import elapsed_s
    from analysis.runs.load import read_all

    spent = elapsed_s(read_all(sweep_dir)) if list(sweep_dir.parent.glob("store/*/record.json")) else None
    return 60 * minutes - (spent or 0.0)


def _train(*words: str, until: float | None = None) -> None:
    _run([sys.executable, "-m", "scaling_harness", *words], until)


def _run(command: Sequence[str], seconds: float | None = None) -> None:
    """Run a command for some seconds at most, then ask it to stop; what it prints goes to stderr.

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
