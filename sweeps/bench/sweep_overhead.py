"""Measure how long planning, reading, claiming and draining take in sweeps of runs that train nothing."""

import contextlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from rich.console import Console

from scaling_harness.config.compose import compose, run_config
from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.execution.signals import Stop
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.provenance import now
from scaling_harness.record.record import EvalLoss, RunRecord, write_record
from scaling_harness.record.store import Store
from scaling_harness.training.make_record import Measured, record_of
from scaling_harness.training.oversight import Oversight
from sweeps.bench.finished_runs import finish_all
from sweeps.launchers.local import run_sweep
from sweeps.planning.expand import expand
from sweeps.planning.manifest import Manifest, write_manifest
from sweeps.workers.worker import work

_RUN_S = 0.2
"""Seconds that a run lasts whose claim is timed."""
_CLAIMS = 6
"""Number of claims of each process."""


@dataclass(frozen=True)
class Timing:
    """Time that one action took."""

    what: str
    n_runs: int
    wall_s: float
    cpu_s: float
    """CPU seconds of all processes; for a claim the median, as is its `wall_s`."""
    detail: str


def measure_overhead(directory: Path, planned: int, drained: int, workers: int, claimers: int = 64) -> list[Timing]:
    """Measure sweeps of no-op runs.

    Parameters
    ----------
    directory : Path
        Empty folder on the file system to measure.
    planned : int
        Number of runs that are planned, and whose status, table and report are made.
    drained : int
        Number of runs that workers finish.
    workers : int
        Number of workers that finish them.
    claimers : int
        Number of processes that claim at once.

    Returns
    -------
    list of Timing
    """
    composed = ["--config-dir", str(directory), *_overrides(directory, "planned", planned)]
    timings = [_verb(["sweep", "plan"], composed, planned, "nothing begun")]
    manifest, store = _begin(directory, "planned", planned)
    where = ["--runs-dir", str(store.runs_dir)]
    timings.append(_verb(["sweep", "status"], where, planned, "nothing begun"))
    finish_all(manifest, store)
    timings += [_verb(verb, where, planned, "all finished") for verb in (["sweep", "status"], ["table"], ["report"])]
    timings.append(_claim(*_begin(directory, "claimed", claimers * _CLAIMS), claimers))
    timings.append(_drain(*_begin(directory, "drained", drained), workers))
    return timings


def train(job: Job, runtime: RuntimeConfig, store: Store, oversight: Oversight) -> list[RunRecord]:
    """Train nothing: write a curve of one row, and a record."""
    oversight.confirm()
    records = []
    for run in job.runs:
        row = {"step": run.n_steps, "tokens": run.n_tokens, "loss": 1.0}
        store.metrics_path(run.run_id).write_text(json.dumps(row) + "\n")
        measured = Measured({"valid": EvalLoss(1.0, 0.01, 512)}, 0.0, now(), [], runtime.device)
        records.append(record_of(run, job.job_id, runtime, store, None, measured))
        write_record(store.run_dir(run.run_id), records[-1])
    return records


def _overrides(directory: Path, name: str, n_runs: int) -> list[str]:
    """Write a sweep over budgets and seeds as a file, and return the overrides that go with it."""
    corpus = directory / "corpus.txt"
    write_text(corpus, "<|end|>".join(f"Law {i} follows from run {i}. " * 20 for i in range(40)))
    budgets = max(k for k in range(1, 21) if n_runs % k == 0 and k * k <= n_runs)
    seeds = 2 if n_runs // budgets % 2 == 0 else 1
    shapes = [[1 + i % 4, 16 + 4 * (i // 4)] for i in range(n_runs // budgets // seeds)]
    flops = [1e12 * 100 ** (i / max(1, budgets - 1)) for i in range(budgets)]
    grid = {"shapes": shapes, "budgets": {"train_flops": flops}, "seeds": list(range(seeds))}
    sweep = {"name": name, "question": "How long does it take?", "grids": [grid]}
    write_text(directory / "sweep" / f"{name}.yaml", "# @package _global_\n" + json.dumps({"sweep": sweep}))
    data = ["data=files", f"data.path={corpus}", 'data.document_separator="<|end|>"', "data.max_epochs=1e6"]
    where = [f"runtime.runs_dir={directory / name}", f"runtime.data_dir={directory / 'tokens'}"]
    return [*data, *where, "model.n_ctx=32", "budget.batch_tokens=512"]


def _begin(directory: Path, name: str, n_runs: int) -> tuple[Manifest, Store]:
    document = compose([f"sweep={name}", *_overrides(directory, name, n_runs)], directory)
    config = run_config(document)
    manifest = Manifest(name, "", 0, config.runtime, config.wandb, expand(document))
    store = Store(Path(config.runtime.runs_dir))
    write_manifest(store.sweep_dir(name), manifest)
    return manifest, store


def _verb(verb: Sequence[str], options: Sequence[str], n_runs: int, detail: str) -> Timing:
    """Time a verb of `scaling-harness`, including the start of Python."""
    command = [sys.executable, "-m", "scaling_harness", *verb, "planned", *options]
    wall_s, cpu_s = _timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    return Timing(verb[-1], n_runs, wall_s, cpu_s, detail)


def _claim(manifest: Manifest, store: Store, claimers: int) -> Timing:
    """Time what workers spend between two runs: ending one, looking for a free one, and claiming it."""
    context = multiprocessing.get_context("fork")
    gaps: SimpleQueue[list[tuple[float, float]]] = context.SimpleQueue()
    processes = [context.Process(target=_time_claims, args=(manifest, store, gaps)) for _ in range(claimers)]
    for process in processes:
        process.start()
    all_gaps = [gap for _ in processes for gap in gaps.get()]
    for process in processes:
        process.join()
    wall_s, cpu_s = (statistics.median(seconds) for seconds in zip(*all_gaps, strict=True))
    return Timing("claim", len(manifest.runs), wall_s, cpu_s, f"{claimers} processes at once")


def _time_claims(manifest: Manifest, store: Store, gaps: "SimpleQueue[list[tuple[float, float]]]") -> None:
    own_gaps: list[tuple[float, float]] = []
    ended: tuple[float, float] | None = None

    def train(job: Job, *_: Any) -> list[RunRecord]:
        nonlocal ended
        if ended:
            own_gaps.append((time.monotonic() - ended[0], time.process_time() - ended[1]))
        time.sleep(_RUN_S)
        store.record_path(job.job_id).touch()
        ended = (time.monotonic(), time.process_time())
        return []

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        work(manifest.jobs, store, manifest.runtime, Stop(), train, manifest.name)
    gaps.put(own_gaps)


def _drain(manifest: Manifest, store: Store, workers: int) -> Timing:
    """Time the local launcher, from the first record to the last."""
    runtime = RuntimeConfig(**{**vars(manifest.runtime), "workers": workers})
    with open(os.devnull, "w") as nowhere:
        console = Console(file=nowhere)
        launch_s, cpu_s = _timed(lambda: run_sweep(manifest, store, runtime, console, f"{__name__}:train"))
    times = [store.record_path(run.run_id).stat().st_mtime for run in manifest.runs]
    wall_s = max(times) - min(times)
    files = sum(len(os.listdir(store.run_dir(run.run_id))) for run in manifest.runs) / len(times)
    detail = f"{len(times) / wall_s:.0f} a second with {workers} workers, {launch_s:.1f} s with their start, "
    return Timing("drain", len(times), wall_s, cpu_s, f"{detail}{files:g} files a run")


def _timed(do: Callable[[], object]) -> tuple[float, float]:
    """Return wall seconds, and CPU seconds of this process and of children that have ended."""
    wall_s, cpu_s = time.monotonic(), _cpu_s()
    do()
    return time.monotonic() - wall_s, _cpu_s() - cpu_s


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
