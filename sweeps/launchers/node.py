"""Train one machine's share of a sweep, without a screen: `python -m sweeps.launchers.node SWEEP_DIR --slots K`.

A task of SLURM or Ray runs this program, which keeps K workers busy until nothing is left. It depends on neither:
stopped by a signal, it exits with code 75 if work is left, and the scheduler starts it again elsewhere.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from scaling_harness.execution.signals import Stop, stop_on_signals
from scaling_harness.record.store import Store
from sweeps.launchers.preflight import check_node
from sweeps.planning.manifest import LOGS, Manifest, read_manifest
from sweeps.timing.cost import compare_with_probe
from sweeps.workers.process import entry_point, parser_of
from sweeps.workers.resources import share_devices, share_memory, visible_devices
from sweeps.workers.supervise import Pool, supervise, worker_command

WORK_LEFT = 75
"""Exit code after an order to stop (sysexits.h: try again later)."""


@entry_point
def main(arguments: Sequence[str] | None = None) -> int:
    """Keep the slots of this machine busy.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0 if nothing is left or the sweep was cancelled, `WORK_LEFT` after a signal, else the exit code of the error,
        whose message is on stderr.
    """
    parser = parser_of("sweeps.launchers.node", "Train a sweep on this machine.")
    parser.add_argument("--slots", type=int, default=1, metavar="K", help="runs at once")
    parser.add_argument("--log", default=f"{socket.gethostname()}-{os.getpid()}", help="prefix of the log files")
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this process, which started it, is gone")
    options = parser.parse_args(arguments)
    with stop_on_signals(options.parent, patient=True) as stop:
        return _keep_busy(options, stop)


def _keep_busy(options: argparse.Namespace, stop: Stop) -> int:
    manifest = read_manifest(options.folder)
    store = Store(options.folder.parent)
    if _is_done(manifest, store):
        return 0
    check_node(manifest, store)
    shared = options.slots, manifest.launcher.processes_per_node, visible_devices()
    runtime = share_memory(options.runtime or manifest.runtime, *shared)
    command = worker_command(options.folder, runtime, options.train)
    log = options.folder / LOGS / options.log
    pool = Pool(command, runtime.threads, log, share_devices(*shared))
    with pool.stopping_all():
        pool.start_all()
        supervise(pool, manifest, store, stop, lambda _: None)
    if _is_done(manifest, store):
        compare_with_probe(options.folder, manifest.jobs, store)
        return 0
    return WORK_LEFT if stop() else 0


def _is_done(manifest: Manifest, store: Store) -> bool:
    return all(store.is_finished(run.run_id) for run in manifest.runs)


if __name__ == "__main__":
    sys.exit(main())
