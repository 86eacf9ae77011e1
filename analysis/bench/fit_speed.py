"""CPU seconds of our fit against the same work by scipy, measured in turn, and whether both reach the same."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.bench import scipy_baseline as baseline
from analysis.bench.scenarios import SCENARIOS
from analysis.fitting.fit import fit
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.fitting.resample import case_weights
from analysis.laws.chinchilla import chinchilla
from analysis.runs.load import load_runs

SAME = 1e-6
CHECKED = 400
CHECK_STARTS = 6
LONG_TABLE = 100_000


@dataclass(frozen=True)
class Timing:
    """CPU seconds of one piece of work; ``measured_share`` below 1 means scaled up from a part of it."""

    work: str
    way: str
    cpu_s: float
    measured_share: float = 1.0


@dataclass(frozen=True)
class FitSpeed:
    """The measurements of one run.

    Attributes
    ----------
    timings : tuple of Timing
    point_gap : float
        Our objective over the public baseline's, minus 1: negative if ours is lower.
    same_as_careful : float
        Share of resamples that end no more than 1e-6 (relative) above scipy's careful optimum.
    same_as_multistart : float
        The same share against the best of several random starts, over ``checked`` resamples.
    checked : int
    long_table_cpu_s, long_table_wall_s : float
        A table of 100,000 rows read and fitted.
    """

    timings: tuple[Timing, ...]
    point_gap: float
    same_as_careful: float
    same_as_multistart: float
    checked: int
    long_table_cpu_s: float
    long_table_wall_s: float

    def ratio(self, work: str, way: str) -> float:
        """How many times the CPU time of ours another way takes."""
        spent = {(t.work, t.way): t.cpu_s for t in self.timings}
        return spent[work, way] / spent[work, "ours"]


def speed(frame: pd.DataFrame | None = None, resamples: int = 4000, share: float = 1.0, seed: int = 0) -> FitSpeed:
    """Measure.

    Parameters
    ----------
    frame : DataFrame, optional
        N, D, L; by default a simulated sweep of the "hoffmann" scenario (240 runs).
    resamples : int
        Case resamples.
    share : float
        Part of the baseline's starts and resamples that is measured, at random, and scaled up; the
        result then says so. 1 measures all.
    seed : int
        Seed of the resampling and of the part.

    Returns
    -------
    FitSpeed
    """
    rng = np.random.default_rng(seed)
    frame = SCENARIOS["hoffmann"].sweep(rng) if frame is None else frame
    inputs = {name: frame[name].to_numpy(float) for name in chinchilla.inputs}
    loss = frame["L"].to_numpy(float)
    ours_s, point = _clocked(lambda: fit_point(chinchilla, inputs, loss, Objective(delta=baseline.DELTA)))
    weights = case_weights(len(loss), resamples, rng)
    refit_s, solution = _clocked(lambda: point.refit(weights=weights))
    public_s, start = _clocked(lambda: _public_point(point, share, rng))
    bfgs_s, _ = _clocked(lambda: _public_resamples(point, start[0], weights[_some(resamples, share, rng)]))
    careful_s, careful = _clocked(lambda: _careful(point, weights))
    checked = rng.choice(resamples, min(CHECKED, resamples), replace=False)
    best = _multistart(point, weights[checked], rng)
    long_cpu_s, long_wall_s = _long_table()
    return FitSpeed(
        timings=(
            Timing("point", "ours", ours_s),
            Timing("point", "public", public_s / share, share),
            Timing("resamples", "ours", refit_s),
            Timing("resamples", "public", bfgs_s / share, share),
            Timing("resamples", "careful", careful_s),
        ),
        point_gap=point.value / start[1] - 1,
        same_as_careful=float((solution.objective_K <= careful * (1 + SAME)).mean()),
        same_as_multistart=float((solution.objective_K[checked] <= best * (1 + SAME)).mean()),
        checked=len(checked),
        long_table_cpu_s=long_cpu_s,
        long_table_wall_s=long_wall_s,
    )


def _clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds and result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def _some(number: int, share: float, rng: np.random.Generator) -> Rows:
    return rng.choice(number, max(1, round(share * number)), replace=False)


def _logs(point: Point) -> tuple[Array, Array]:
    return np.log(point.inputs["N"]), np.log(point.inputs["D"])


def _public_point(point: Point, share: float, rng: np.random.Generator) -> baseline.Fit:
    starts = baseline.public_starts()
    return baseline.public_point(*_logs(point), point.log_loss, starts[_some(len(starts), share, rng)])


def _public_resamples(point: Point, start: Array, weights: Array) -> None:
    log_n, log_d = _logs(point)
    for row in weights:
        rows = np.repeat(np.arange(len(row)), row.astype(int))
        baseline.public_resample(log_n[rows], log_d[rows], point.log_loss[rows], start)


def _centred(point: Point) -> tuple[Array, Array]:
    log_n, log_d = _logs(point)
    return log_n - log_n.mean(), log_d - log_d.mean()


def _careful(point: Point, weights: Array) -> Array:
    """Objective of every resample from the point fit."""
    e, a, b, alpha, beta = point.z_P
    start = np.array([a, b, e, alpha, beta])
    return np.array([baseline.careful(*_centred(point), point.log_loss, start, row)[1] for row in weights])


def _multistart(point: Point, weights: Array, rng: np.random.Generator) -> Array:
    """Lowest objective of each resample from random starts that know nothing of the point fit."""
    level = np.log(np.exp(point.log_loss).min())
    best = np.full(len(weights), np.inf)
    for i, row in enumerate(weights):
        for _ in range(CHECK_STARTS):
            start = np.concatenate([level + rng.uniform(-2, 0, 3), rng.uniform(0.1, 0.8, 2)])
            best[i] = min(best[i], baseline.careful(*_centred(point), point.log_loss, start, row)[1])
    return best


def _long_table() -> tuple[float, float]:
    """CPU and wall seconds to read a CSV of 100,000 runs and fit it, intervals included."""
    scenario, rng = SCENARIOS["hoffmann"], np.random.default_rng(1)
    rows = scenario.design.sample(LONG_TABLE, replace=True, random_state=1, ignore_index=True)
    rows = rows * np.exp(rng.uniform(-0.5, 0.5, rows.shape))
    noise = np.exp(scenario.noise(rng, LONG_TABLE))
    rows = rows.assign(loss=chinchilla.predict(scenario.truth, N=rows.N, D=rows.D) * noise)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "runs.csv"
        rows.to_csv(path, index=False)
        wall = time.perf_counter()
        cpu_s, _ = _clocked(lambda: fit(chinchilla, load_runs(path)))
        return cpu_s, time.perf_counter() - wall


def speed_table(measured: FitSpeed) -> str:
    """The measurements as text."""
    lines = [f"{'work':12}{'way':10}{'CPU-s':>10}{'times ours':>12}  measured"]
    for timing in measured.timings:
        part = "in full" if timing.measured_share == 1 else f"{timing.measured_share:.0%}, scaled up"
        times = measured.ratio(timing.work, timing.way)
        lines.append(f"{timing.work:12}{timing.way:10}{timing.cpu_s:>10.3f}{times:>12.1f}  {part}")
    return "\n".join(
        [
            *lines,
            "public: 4,500 starts L-BFGS-B, then BFGS, numerical gradients; careful: L-BFGS-B, analytic, centred",
            f"point fit: our objective is {measured.point_gap:+.2e} relative to the public one",
            f"resamples within 1e-6 of scipy careful: {measured.same_as_careful:.2%}; "
            f"of {CHECK_STARTS} random starts: {measured.same_as_multistart:.2%} of {measured.checked}",
            f"{LONG_TABLE:,} rows read and fitted: "
            f"{measured.long_table_cpu_s:.1f} CPU-s, {measured.long_table_wall_s:.1f} s",
        ]
    )
