"""The verb `bench`: how fast fits, sweeps and training are, and how often intervals cover. Imports stand inside."""

import dataclasses
import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from scaling_harness.errors import UserError


def bench(options: Namespace) -> int:
    """Measure the fitter, training, or what a sweep costs besides it, on this machine."""
    from scaling_harness.cli.verbs_law import bench_law

    actions = {"fit": _fit, "coverage": _coverage, "sweep": _sweep, "train": _train, "law": bench_law}
    return actions[options.action](options)


def _fit(options: Namespace) -> int:
    from analysis.bench.fit_speed import speed, speed_table
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Selection

    if not 0 < options.share <= 1:
        raise UserError(f"--share is {options.share}: give a part of the baseline above 0 and at most 1")
    runs = None
    if options.table:
        runs = load_runs(Path(options.table), Selection(drop_worst=options.drop_worst), columns=options.columns).frame
    found = speed(runs, resamples=options.resamples or 4000, share=options.share)
    print(json.dumps(dataclasses.asdict(found)) if options.json else speed_table(found))
    return 0


def _coverage(options: Namespace) -> int:
    from analysis.bench.coverage import coverage, coverage_table
    from analysis.bench.scenarios import SCENARIOS

    scenarios = options.scenarios.split(",") if options.scenarios else list(SCENARIOS)
    methods = options.methods.split(",")
    rows = []
    for name in scenarios:
        part = coverage([name], methods, options.sweeps, options.resamples or 400)
        rows += part
        if not options.json:
            print(f"{SCENARIOS[name].describes}\n{coverage_table(part)}\n", flush=True)
    if options.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows]))
    return 0


def _sweep(options: Namespace) -> int:
    from tempfile import TemporaryDirectory

    from scaling_harness.cli.verbs import print_rows
    from sweeps.bench.sweep_overhead import bench as measure

    with TemporaryDirectory(dir=options.directory) as directory:
        rows = [vars(row) for row in measure(Path(directory), options.runs, options.drained, options.workers)]
    print_rows(options, rows, rows)
    return 0


def _train(options: Namespace) -> int:
    from sweeps.bench.training_speed import BATCHES, SIZES, speed
    from sweeps.bench.training_speed_table import as_json, print_speed

    sizes = _numbers("--sizes", options.sizes, SIZES)
    batches = [int(batch) for batch in _numbers("--batches", options.batches, BATCHES)]
    if options.rounds < 1 or options.seconds <= 0 or options.stack < 1:
        raise UserError("--rounds and --stack start at 1, --seconds above 0")
    config_dir = Path(options.config_dir) if options.config_dir else None
    settings = (sizes, batches, options.stack, options.rounds, options.seconds)
    found = list(speed(options.overrides, config_dir, *settings))
    print(json.dumps(as_json(found))) if options.json else print_speed(found)
    return 0


def _numbers(option: str, given: str | None, default: Sequence[float]) -> list[float]:
    """Positive numbers, comma-separated."""
    try:
        numbers = [float(word) for word in given.split(",")] if given else list(default)
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise UserError(f"{option} is {given!r}: give numbers of at least 1, comma-separated")
    return numbers
