"""How often 95 % intervals cover the truth, and how wide they are, on simulated sweeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.bench.scenarios import SCENARIOS, Scenario
from analysis.fitting.estimate import Estimate
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.fitting.profile import profile_intervals
from analysis.fitting.resample import draw_params
from analysis.frontier.approaches import three_approaches
from analysis.laws.chinchilla import chinchilla
from analysis.laws.law import derive
from analysis.runs.selection import Runs
from scaling_harness.errors import UserError

DRAWN = ("cases", "residuals", "noise", "sandwich")
METHODS = (*DRAWN, "profile", "approaches")
QUANTITIES = ("E", "log A", "log B", "alpha", "beta", "a", "log N*")
AIM = (0.92, 0.98)
N_STARTS = 4
LEVEL_PERCENT = 95.0


@dataclass(frozen=True)
class Coverage:
    """One quantity by one method in one scenario.

    Attributes
    ----------
    scenario, method, quantity : str
    sweeps : int
        Intervals counted: those that exist.
    covered : float
        Share that holds the truth.
    stderr : float
        Binomial standard error of ``covered``.
    width : float
        Median width.
    width_over_spread : float
        Median width divided by 3.92 standard deviations of the estimate between sweeps: 1 is as wide as needed.
    """

    scenario: str
    method: str
    quantity: str
    sweeps: int
    covered: float
    stderr: float
    width: float
    width_over_spread: float

    @property
    def misses(self) -> bool:
        """Whether the coverage lies outside 92 to 98 % by more than two binomial standard errors."""
        return self.covered < AIM[0] - 2 * self.stderr or self.covered > AIM[1] + 2 * self.stderr


def coverage(
    scenarios: Iterable[str] = tuple(SCENARIOS),
    methods: Sequence[str] = METHODS,
    sweeps: int = 2000,
    resamples: int = 400,
    seed: int = 0,
) -> list[Coverage]:
    """Simulate sweeps, fit each, and count.

    Parameters
    ----------
    scenarios : iterable of str
        Names in ``scenarios.SCENARIOS``.
    methods : sequence of str
        Names in ``METHODS``; "approaches" are the intervals on a that reports print, on grids alone.
    sweeps : int
        Simulated for each scenario.
    resamples : int
        Resamples of each sweep and method.
    seed : int
        Seed of the noise and the resampling.

    Returns
    -------
    list of Coverage

    Raises
    ------
    UserError
        A name that is not known.
    """
    scenarios = tuple(scenarios)
    for given, known in ((scenarios, tuple(SCENARIOS)), (methods, METHODS)):
        unknown = [name for name in given if name not in known]
        if unknown:
            raise UserError(f"{', '.join(unknown)} is not one of {', '.join(known)}")
    return [row for name in scenarios for row in _scenario(SCENARIOS[name], methods, sweeps, resamples, seed)]


def _scenario(scenario: Scenario, methods: Sequence[str], sweeps: int, resamples: int, seed: int) -> list[Coverage]:
    rng = np.random.default_rng([seed, *scenario.name.encode()])
    measured: dict[str, list[Array]] = {}
    for _ in range(sweeps):
        frame = scenario.sweep(rng)
        inputs = {name: frame[name].to_numpy() for name in chinchilla.inputs}
        point = fit_point(chinchilla, inputs, frame.L.to_numpy(), Objective(), n_starts=N_STARTS)
        for method in methods:
            if method != "approaches":
                measured.setdefault(method, []).append(_measured(point, method, resamples, rng, scenario.target_flops))
            elif scenario.is_grid:
                for name, exponent in _exponents(frame, resamples, int(rng.integers(2**32))).items():
                    measured.setdefault(f"approach {name}", []).append(_only_a(exponent))
    truth = _quantities(scenario.truth, scenario.target_flops)
    return [
        row for method, sweep_list in measured.items() for row in _rows(scenario, method, np.array(sweep_list), truth)
    ]


def _exponents(frame: pd.DataFrame, resamples: int, seed: int) -> dict[str, Estimate]:
    """Exponent a with the interval that reports print, by approach; none for those without an interval."""
    three = three_approaches(Runs(frame), curves={}, resamples=resamples, seed=seed)
    each = {**three.approaches, **three.variants}
    return {name: approach.a for name, approach in each.items() if len(approach.a_draws)}


def _only_a(exponent: Estimate) -> Array:
    measured = np.full((len(QUANTITIES), 3), np.nan)
    measured[QUANTITIES.index("a")] = exponent.value, *(exponent.ci95 or (np.nan, np.nan))
    return measured


def _quantities(params: Mapping[str, float] | Mapping[str, Array], train_flops: float) -> Array:
    """What is counted, (quantities,) or (K, quantities)."""
    best = chinchilla.optimal(params, train_flops)
    values = (
        params["E"],
        np.log(params["A"]),
        np.log(params["B"]),
        params["alpha"],
        params["beta"],
        derive(chinchilla, params)["a"],
        np.log(best.n_params),
    )
    return np.stack([np.asarray(value, float) for value in values], axis=-1)


def _measured(point: Point, method: str, resamples: int, rng: np.random.Generator, train_flops: float) -> Array:
    """Estimate and both ends of its interval, (quantities, 3); NaN if the method has no interval."""
    estimate_Q = _quantities(point.params, train_flops)
    if method == "profile":
        return np.column_stack([estimate_Q, _profile_ends(point)])
    draws = draw_params(point, method, resamples, rng)  # pyright: ignore[reportArgumentType]
    tail = (100 - LEVEL_PERCENT) / 2
    return np.column_stack(
        [estimate_Q, np.nanpercentile(_quantities(draws, train_flops), [tail, 100 - tail], axis=0).T]
    )


def _profile_ends(point: Point) -> Array:
    """Ends of the profile intervals of the parameters; a and N* are not parameters."""
    nothing = (np.nan, np.nan)
    intervals = profile_intervals(point)
    ends = [intervals[name] or nothing for name in ("E", "A", "B", "alpha", "beta")]
    return np.array([ends[0], np.log(ends[1]), np.log(ends[2]), ends[3], ends[4], nothing, nothing])


def _rows(scenario: Scenario, method: str, measured_SQ3: Array, truth_Q: Array) -> list[Coverage]:
    """A row each quantity, from the estimates and intervals of all sweeps."""
    estimate_SQ, ends_SQ2 = measured_SQ3[:, :, 0], measured_SQ3[:, :, 1:]
    rows = []
    for i, quantity in enumerate(QUANTITIES):
        kept = ends_SQ2[np.isfinite(ends_SQ2[:, i]).all(axis=1), i]
        if len(kept) == 0:
            continue
        share = float(((kept[:, 0] <= truth_Q[i]) & (truth_Q[i] <= kept[:, 1])).mean())
        width = float(np.median(kept[:, 1] - kept[:, 0]))
        stderr = float(np.sqrt(max(share * (1 - share), 1 / len(kept)) / len(kept)))
        ratio = width / (3.92 * np.nanstd(estimate_SQ[:, i], ddof=1))
        rows.append(Coverage(scenario.name, method, quantity, len(kept), share, stderr, width, float(ratio)))
    return rows


def coverage_table(rows: Sequence[Coverage]) -> str:
    """Coverage in per cent with the width in brackets, a line each scenario and method; * misses the aim."""
    lines = [f"{'':12}{'':21}" + "".join(f"{name:>15}" for name in QUANTITIES)]
    for scenario, method in dict.fromkeys((row.scenario, row.method) for row in rows):
        mine = {row.quantity: row for row in rows if (row.scenario, row.method) == (scenario, method)}
        cells = "".join(f"{_cell(mine.get(name)):>15}" for name in QUANTITIES)
        lines.append(f"{scenario:12}{method:21}{cells}")
    return "\n".join([*lines, *_verdict(rows)])


def _cell(row: Coverage | None) -> str:
    return "-" if row is None else f"{100 * row.covered:.1f}{'*' if row.misses else ''} ({row.width:.3g})"


def _verdict(rows: Sequence[Coverage]) -> list[str]:
    """What misses 92 to 98 %, by name."""
    missing = [
        f"{row.method} {row.quantity} in {row.scenario}: {100 * row.covered:.1f} %" for row in rows if row.misses
    ]
    sweeps = max((row.sweeps for row in rows), default=0)
    head = f"{sweeps} sweeps a scenario; aim {100 * AIM[0]:.0f} to {100 * AIM[1]:.0f} %, *: outside beyond chance"
    return [head, *(f"misses: {sentence}" for sentence in missing)]
