"""Train a sweep as the plain baseline would: `python -m sweeps.bench.train_plain SWEEP_DIR`.

Runs are trained one after another, the cheapest first, by `plain_gpt2.train`, in one process with one thread per core
and PyTorch's default memory allocator.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scaling_harness.errors import HarnessError
from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import stop_on_signals
from scaling_harness.record.store import Store
from sweeps.bench.plain_gpt2 import train
from sweeps.planning.manifest import read_manifest
from sweeps.workers.process import entry_point


@entry_point
def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is left of a sweep until it is done or a signal asks to stop.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0, or 130 if it was stopped, or 1 if a run failed.
    """
    parser = argparse.ArgumentParser(prog="python -m sweeps.bench.train_plain", description="Train a sweep plainly.")
    parser.add_argument("folder", type=Path, help="folder of the sweep")
    folder = parser.parse_args(arguments).folder
    manifest = read_manifest(folder)
    runtime = dataclasses.replace(manifest.runtime, threads=os.cpu_count() or 1)
    store = Store(folder.parent)
    with stop_on_signals() as stop:
        for job in reversed(manifest.jobs):
            outcome = execute(job, runtime, store, stop, train)
            if outcome.kind == "interrupted" or stop():
                return 130
            if outcome.kind in ("failed", "gave_up"):
                raise HarnessError(f"{job.job_id}: {outcome.reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
