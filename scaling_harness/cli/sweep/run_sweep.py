"""The verb `sweep run`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_mix_versions, add_planned_sweep, planned

HELP = "train a sweep, or its unfinished runs"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_planned_sweep(parser)
    add_mix_versions(parser)


def run(args: Namespace) -> int:
    """Train a sweep, or its unfinished runs, and say how far it is."""
    from scaling_harness.record.store import Store
    from sweeps.planning.planned_sweep import read_planned_sweep
    from sweeps.status.overview import progress_sentence
    from sweeps.status.run_status import FINISHED, status

    code, sweep_dir = run_sweep(args, args.name)
    if code:
        return code
    sweep = read_planned_sweep(sweep_dir)
    rows = status(sweep.jobs, Store(sweep_dir.parent))
    print(progress_sentence(sweep, rows))
    if all(row.state in FINISHED for row in rows):
        print(f"all runs are finished: `scaling-harness report {sweep.name}` draws and fits them")
    return 0


def run_sweep(args: Namespace, name: str) -> tuple[int, Path]:
    """Train the sweep of a command line; return the exit code and the sweep's folder."""
    from sweeps.launchers.launch import begin_or_resume, is_started
    from sweeps.tuning.tuned_settings import keep_effort

    manifest, store = planned(args, name)
    sweep_dir = store.sweep_dir(manifest.name)
    if args.tuned and not is_started(manifest.name, store):
        keep_effort(sweep_dir, args.tuned)
    return begin_or_resume(manifest, store, args.mix_versions), sweep_dir
