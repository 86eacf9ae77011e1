"""How often intervals of forecasts hold the loss at more compute, on sweeps whose truth is of another form."""

import numpy as np

from analysis.bench.coverage_table import Coverage, share_held
from analysis.bench.other_forms import AHEAD, FITTED, OtherForm, cells_of_form
from analysis.validation.coverage import MIXTURE, alone
from analysis.validation.discrepancy import TAU
from analysis.validation.mixture import (
    FORMS,
    Interval,
    Window,
    expanding_windows,
    fit_forms,
    forecast_rows,
    mixture_of,
)


def forecast_coverage(
    form: OtherForm, sweeps: int, seed: int = 0, tau: float = TAU, scale: float = 1.0
) -> list[Coverage]:
    """Fit the smaller budgets of simulated sweeps, and count how often intervals hold the mean loss of a larger one.

    Parameters
    ----------
    form : OtherForm
        Where the truths are from.
    sweeps : int
        How many are simulated.
    seed : int
        Of truths and noise; tau was made with another (`bench.discrepancy`).
    tau : float
        Of the mixture's discrepancy.
    scale : float
        Times the declared strength of the departure.

    Returns
    -------
    list of Coverage
        Of each form by itself, as if it were the truth, and of the mixture, at 4 and at 16 times the compute.
    """
    cells = cells_of_form(form, sweeps, np.random.default_rng([seed, *form.name.encode()]), scale)
    before = expanding_windows(cells, n_bands=FITTED)
    fitted, _ = fit_forms(cells, FORMS, FITTED)
    rows = []
    for i, factor in enumerate(AHEAD):
        window = forecast_rows(cells, fitted, FITTED, cells.bands[FITTED + i]).of_the_mean
        intervals = {f"{law.name} alone": alone(window, law.name) for law in FORMS}
        intervals[MIXTURE] = mixture_of(window, before, FORMS, tau).interval()
        rows += [
            _row(form.name, name, f"loss at {factor:g} C", interval, window) for name, interval in intervals.items()
        ]
    return rows


def _row(scenario: str, method: str, quantity: str, interval: Interval, window: Window) -> Coverage:
    observed = window.observed_Kq
    share, stderr = share_held(interval.holds(observed))
    width, error = float(np.median(interval.width)), observed - interval.median
    ratio, score = width / (3.92 * float(np.std(error))), float(interval.score(observed).mean())
    return Coverage(scenario, method, quantity, len(observed), share, stderr, width, ratio, score)


def pooled(rows: list[Coverage]) -> list[Coverage]:
    """The same over all scenarios, each method and quantity.

    Parameters
    ----------
    rows : list of Coverage
        Of forecasts.

    Returns
    -------
    list of Coverage
    """
    together = []
    for method, quantity in dict.fromkeys((row.method, row.quantity) for row in rows if row.score is not None):
        mine = [row for row in rows if (row.method, row.quantity) == (method, quantity)]
        weights = np.array([row.sweeps for row in mine], float)

        def mean(name: str, mine: list[Coverage] = mine, weights: np.ndarray = weights) -> float:
            return float(np.average([getattr(row, name) for row in mine], weights=weights))

        share, n = mean("covered"), int(weights.sum())
        stderr = float(np.sqrt(max(share * (1 - share), 1 / n) / n))
        means = (mean("width"), mean("width_over_spread"), mean("score"))
        together.append(Coverage("all forms", method, quantity, n, share, stderr, *means))
    return together
