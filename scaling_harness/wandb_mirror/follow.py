"""Follow runs while they train: `python -m scaling_harness.wandb_mirror.follow`, started by `following`.

A process of its own and no thread: wandb's exit hook waits up to a minute and a half for a server that does not answer,
and would hold up the end of the run. This process only reads the store, and is killed if it takes too long.
"""

import contextlib
import dataclasses
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from scaling_harness.config.compose import validate
from scaling_harness.config.schema import WandbConfig
from scaling_harness.execution.intervals import poll_s
from scaling_harness.plan.plan import Plan
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.copying import Copy, missing_key
from scaling_harness.wandb_mirror.described import Described, describe_plan
from scaling_harness.wandb_mirror.finished import MOST_REFUSALS, log_refusal, mark_copied, to_copy

GRACE_S = 30.0
"""Time that wandb has after the last run to take what is left."""
_POLL_S = poll_s(2.0)
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def following(
    plans: Sequence[Plan], store: Store, config: WandbConfig, group: str | None = None, grace_s: float = GRACE_S
) -> Iterator[None]:
    """Send runs to wandb while they train, if `config.live` asks for it.

    Parameters
    ----------
    plans : sequence of Plan
        Runs to follow; those copied before are left out.
    store : Store
        Where they are stored.
    config : WandbConfig
        Where they are sent to.
    group : str, optional
        Name of their sweep.
    grace_s : float
        Seconds that wandb has after the body to take what is left; no run waits longer for it, and none fails by it.

    Yields
    ------
    None
        While the process that sends them is running.
    """
    left = set(to_copy((plan.run_id for plan in plans), store, config)) if config.live else set()
    if not left:
        yield
        return
    runs = [dataclasses.asdict(describe_plan(plan)) for plan in plans if plan.run_id in left]
    document = {
        "runs_dir": str(store.runs_dir.resolve()),
        "wandb": dataclasses.asdict(config),
        "group": group,
        "runs": runs,
    }
    process = _start(document)
    try:
        yield
    finally:
        if process and not _ended(process, grace_s):
            _log.warning("wandb had not taken everything %g s after the end: the same command copies the rest", grace_s)


def _start(document: dict[str, object]) -> "subprocess.Popen[bytes] | None":
    """Start the process in a session of its own, which an interrupt from the keyboard does not reach."""
    # As this process imports, and not first from the working directory, as `python -m` does otherwise.
    imports = {"PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path), "PYTHONSAFEPATH": "1"}
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(document).encode())
        file.seek(0)
        command = [sys.executable, "-m", "scaling_harness.wandb_mirror.follow", str(file.fileno())]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **imports},
                pass_fds=[file.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            _log.warning("wandb is not told of the runs while they train: %s", error)
            return None


def _ended(process: "subprocess.Popen[bytes]", grace_s: float) -> bool:
    """Ask the process to finish; kill it if it does not, or if the user is tired of waiting."""
    try:
        process.communicate(timeout=grace_s)
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.wait()
    return process.returncode == 0


def follow(
    runs: Sequence[Described], store: Store, config: WandbConfig, group: str | None, stop: Callable[[], bool]
) -> None:
    """Send runs to wandb as their curves grow, until all have records or a stop is requested.

    Parameters
    ----------
    runs : sequence of Described
        Runs to follow.
    store : Store
        Where they are stored.
    config : WandbConfig
        Where they are sent to.
    group : str or None
        Name of their sweep.
    stop : callable
        Returns whether to send what is there and leave; runs without a record are then no whole copies.
    """
    if problem := missing_key(config):
        _log.warning("wandb is not told of the runs while they train: %s", problem)
        return
    left, copies, refusals = {run.run_id: run for run in runs}, dict[str, Copy](), 0
    while left:
        last = stop()
        for run in list(left.values()):
            try:
                if not _advance(run, store, config, group, copies):
                    continue
            except Exception as error:
                log_refusal(run.run_id, error)
                refusals += 1
            del left[run.run_id]
        if last or refusals >= MOST_REFUSALS:
            break
        _sleep(stop)
    for copy in copies.values():
        copy.close(None)


def _advance(run: Described, store: Store, config: WandbConfig, group: str | None, copies: dict[str, Copy]) -> bool:
    """Send what is new of a run that has begun; whether it has ended."""
    record = store.read(run.run_id) if store.is_finished(run.run_id) else None
    if not record and not store.metrics_path(run.run_id).exists():
        return False
    copy = copies.pop(run.run_id, None) or Copy(run, store, config, group)
    copy.catch_up(record)
    if not record:
        copies[run.run_id] = copy
        return False
    copy.close(record)
    mark_copied(record, store, config)
    return True


def _sleep(stop: Callable[[], bool]) -> None:
    until = time.monotonic() + _POLL_S
    while not stop() and time.monotonic() < until:
        time.sleep(min(0.1, _POLL_S))


def _is_over() -> bool:
    """Whether the process that follows from is done, or gone: then its end of the pipe on stdin is closed."""
    over = bool(select.select([sys.stdin], [], [], 0)[0])
    if over and not any(signal.getitimer(signal.ITIMER_REAL)):
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)  # ends this process if nobody is left to kill it
    return over


def main() -> None:
    """Follow the runs that a document describes, on the file descriptor given as argument."""
    with os.fdopen(int(sys.argv[1])) as file:
        document = json.load(file)
    os.nice(10)
    config = validate(WandbConfig, document["wandb"], prefix="wandb")
    runs = [Described(**run) for run in document["runs"]]
    follow(runs, Store(Path(document["runs_dir"])), config, document["group"], _is_over)


if __name__ == "__main__":
    main()
