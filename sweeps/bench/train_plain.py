"""Train a sweep as the plain baseline would: `python -m sweeps.bench.train_plain SWEEP_DIR`.

One run after another, the cheapest first, by `gpt2.train`, in one process with the threads of all cores, whose memory
is as PyTorch leaves it.
"""

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is left of a sweep until it is done or a signal says so.

    Parameters
    ----------
    arguments : sequence of str, optional
        The sweep's directory.

    Returns
    -------
    int
        0; 130 where it was stopped; 1 where a run failed.
    """
    (directory,) = sys.argv[1:] if arguments is None else arguments
    sweep_dir = Path(directory)
    manifest = read_manifest(sweep_dir)
    runtime = dataclasses.replace(manifest.runtime, threads=os.cpu_count() or 1)
    store = Store(sweep_dir.parent)
    with stop_on_signals() as stop:
        for job in reversed(manifest.jobs):
            outcome = execute(job, runtime, store, stop, train)
            if outcome.kind == "interrupted" or stop():
                return 130
            if outcome.kind in ("failed", "gave_up"):
                print(f"{job.job_id}: {outcome.reason}", file=sys.stderr)
                return HarnessError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
