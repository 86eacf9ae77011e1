"""How often 95 % intervals cover the truth, and how wide they are, on simulated sweeps."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.bench.coverage_table import Coverage, share_held
from analysis.bench.forecast_coverage import forecast_coverage
from analysis.bench.other_forms import OTHER_FORMS
from analysis.bench.scenarios import SCENARIOS, Scenario
from analysis.fitting.estimate import Estimate
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.fitting.profile import profile_intervals
from analysis.fitting.resample import draw_params
from analysis.frontier.approaches import three_approaches
from analysis.laws.chinchilla import chinchilla
from analysis.laws.law import derive
from analysis.runs.curves import Points
from analysis.runs.selection import Runs
from scaling_harness.errors import UserError

DRAWN = ("cases", "residuals", "noise", "sandwich")
METHODS = (*DRAWN, "profile", "approaches", "forecasts")
QUANTITIES = ("E", "log A", "log B", "alpha", "beta", "a", "log N*")
N_STARTS = 4
LEVEL_PERCENT = 95.0
KNOWN = (*SCENARIOS, *OTHER_FORMS)


def coverage(
    scenarios: Iterable[str] = KNOWN,
    methods: Sequence[str] = METHODS,
    sweeps: int = 2000,
    resamples: int = 400,
    seed: int = 0,
) -> list[Coverage]:
    """Simulate sweeps, fit each, and count.

    Parameters
    ----------
    scenarios : iterable of str
        Names in ``scenarios.SCENARIOS``, whose truth is of the form fitted, or in ``other_forms.OTHER_FORMS``.
    methods : sequence of str
        Names in ``METHODS``; "approaches" are the intervals on a that reports print, on grids alone, and "forecasts"
        those of the loss at more compute, on truths of other forms alone.
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
    for given, known in ((scenarios, KNOWN), (methods, METHODS)):
        unknown = [name for name in given if name not in known]
        if unknown:
            raise UserError(f"{', '.join(unknown)} is not one of {', '.join(known)}")
    rows = []
    for name in scenarios:
        if name in SCENARIOS:
            rows += _scenario(SCENARIOS[name], methods, sweeps, resamples, seed)
        elif "forecasts" in methods:
            rows += forecast_coverage(OTHER_FORMS[name], sweeps, seed)
    return rows


def _scenario(scenario: Scenario, methods: Sequence[str], sweeps: int, resamples: int, seed: int) -> list[Coverage]:
    rng = np.random.default_rng([seed, *scenario.name.encode()])
    measured: dict[str, list[Array]] = {}
    for _ in range(sweeps):
        frame = scenario.sweep(rng)
        inputs = {name: frame[name].to_numpy() for name in chinchilla.inputs}
        point = fit_point(chinchilla, inputs, frame.L.to_numpy(), Objective(), n_starts=N_STARTS)
        for method in methods:
            if method not in ("approaches", "forecasts"):
                measured.setdefault(method, []).append(_measured(point, method, resamples, rng, scenario.target_flops))
            elif method == "approaches" and scenario.is_grid:
                curves = scenario.curves(frame)
                for name, exponent in _exponents(frame, curves, resamples, int(rng.integers(2**32))).items():
                    measured.setdefault(f"approach {name}", []).append(_only_a(exponent))
    truth = _quantities(scenario.truth, scenario.target_flops)
    return [
        row for method, sweep_list in measured.items() for row in _rows(scenario, method, np.array(sweep_list), truth)
    ]


def _exponents(frame: pd.DataFrame, curves: Mapping[object, Points], resamples: int, seed: int) -> dict[str, Estimate]:
    """Exponent a with the interval that reports print, by approach; none for those without an interval."""
    three = three_approaches(Runs(frame), curves=curves, resamples=resamples, seed=seed)
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
        share, stderr = share_held((kept[:, 0] <= truth_Q[i]) & (truth_Q[i] <= kept[:, 1]))
        width = float(np.median(kept[:, 1] - kept[:, 0]))
        ratio = width / (3.92 * np.nanstd(estimate_SQ[:, i], ddof=1))
        rows.append(Coverage(scenario.name, method, quantity, len(kept), share, stderr, width, float(ratio)))
    return rows
