"""A forecast from several forms of the law, each weighted by how well it forecast budgets that it had not seen.

Declared on 2026-11-28, before any forecast of a tier by it was computed: the forms, equal weights before any evidence,
the windows (fit the budgets up to the k-th, score the next, k from 2 on), and the score (log density of a cell of the
next budget, its mean over the cells: a window counts once, however many cells it has). The form of a law is never
known: an error that all forms share is added, of standard deviation tau ln(C / C_max) in ln L (`discrepancy.TAU`).

Shapes: K data sets of one design, q quantities forecast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.special import ndtr, softmax

from analysis.arrays import Array, Rows
from analysis.fitting.estimate import CI_LEVEL
from analysis.laws.chinchilla import chinchilla, skaling, tied
from analysis.laws.law import Law
from analysis.runs.replicates import seed_noise
from analysis.validation.predictive import FittedForm, StudentT, fit_form
from scaling_harness.errors import HarnessError

FORMS = (chinchilla, tied, skaling)
MIN_BUDGETS_LEFT = 2
MOST_CELLS = 200
BISECTIONS = 60
FARTHEST = 60.0  # scales of a component beyond which no quantile asked for lies


@dataclass(frozen=True)
class Mixture:
    """Forecasts of q quantities in K data sets: a Student-t each form, with its weight (K, forms), and its name."""

    components: tuple[StudentT, ...]
    weights_KF: Array
    names: tuple[str, ...] = ()

    @property
    def weights_of_first(self) -> dict[str, float]:
        """The weights in the first data set, by the name of the form."""
        return dict(zip(self.names, self.weights_KF[0].tolist(), strict=True))

    def cdf(self, value_Kq: Array) -> Array:
        """Probability of a value or less, (K, q)."""
        each = np.stack([component.cdf(value_Kq) for component in self.components])
        return np.einsum("fkq,kf->kq", each, self.weights_KF)

    def quantile(self, probability: float) -> Array:
        """The value that is exceeded with one minus the probability, (K, q)."""
        reach = [FARTHEST * np.sqrt(component.square_Kq) for component in self.components]
        centre = [component.location_Kq for component in self.components]
        low = np.min([c - r for c, r in zip(centre, reach, strict=True)], axis=0)
        high = np.max([c + r for c, r in zip(centre, reach, strict=True)], axis=0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self.cdf(middle) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2

    def interval(self, level: float = CI_LEVEL) -> "Interval":
        """Median and central interval."""
        tail = (1 - level) / 2
        return Interval(self.quantile(tail), self.quantile(0.5), self.quantile(1 - tail), level)


@dataclass(frozen=True)
class Interval:
    """Ends and median of a central interval for ln L, each (K, q)."""

    low: Array
    median: Array
    high: Array
    level: float = CI_LEVEL

    @property
    def width(self) -> Array:
        """Width in ln L: about the relative width of the interval of L."""
        return self.high - self.low

    def holds(self, value: Array) -> Rows:
        """Whether the values lie inside."""
        return (self.low <= value) & (value <= self.high)

    def score(self, value: Array) -> Array:
        """Interval score, smaller is better: the width, and 2 / (1 - level) times what a value lies outside.

        References
        ----------
        Gneiting and Raftery 2007, Strictly proper scoring rules, prediction, and estimation, eq. 43.
        """
        outside = np.maximum(self.low - value, 0.0) + np.maximum(value - self.high, 0.0)
        return self.width + 2 / (1 - self.level) * outside


def normal_mixture_ends(locations: Array, sd: float) -> tuple[float, float]:
    """Ends of the 95 % interval of values drawn (n,) to each of which a normal error is added."""
    tail = (1 - CI_LEVEL) / 2
    low, high = np.full(2, locations.min() - 10 * sd), np.full(2, locations.max() + 10 * sd)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = ndtr((middle[:, None] - locations) / sd).mean(axis=1) < (tail, 1 - tail)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return float(low[0]), float(high[1])


@dataclass(frozen=True)
class Cells:
    """The cells of K data sets of one design, in budgets.

    Attributes
    ----------
    frame : DataFrame
        C, n_seeds and the inputs of the laws, a row each cell.
    bands : tuple of array
        Rows of each budget, ascending.
    log_loss_Kn : array
        Mean ln L of each cell.
    seed_sd : mapping of int to float
        Standard deviation between seeds in the first so many budgets; 0 where it is not given.
    """

    frame: pd.DataFrame
    bands: tuple[Rows, ...]
    log_loss_Kn: Array
    seed_sd: Mapping[int, float] = field(default_factory=dict)

    def kept(self, n_bands: int) -> Rows:
        """Rows of the first budgets."""
        return np.concatenate(self.bands[:n_bands])

    def inputs(self, rows: Rows) -> dict[str, Array]:
        """Every numeric column of the rows."""
        numeric = self.frame.iloc[rows].select_dtypes("number")
        return {str(name): numeric[name].to_numpy(float) for name in numeric}

    def fit(self, law: Law, n_bands: int, **starts: Mapping[str, Array] | None) -> FittedForm:
        """Fit a law to the first budgets; see `predictive.fit_form`."""
        rows = self.kept(n_bands)
        inputs = self.inputs(rows)
        sd = self.seed_sd.get(n_bands, 0.0)
        return fit_form(law, inputs, self.log_loss_Kn[:, rows], inputs["n_seeds"], sd, **starts)


def cells_of(bands: Sequence[pd.DataFrame]) -> Cells:
    """The cells of one sweep, from `replicates.design_cells` cut into budgets; of a budget of many cells some."""
    bands = [spread(band) for band in bands]
    frame = pd.concat(bands, ignore_index=True)
    ends = np.cumsum([0, *(len(band) for band in bands)])
    rows = tuple(np.arange(a, b) for a, b in pairwise(ends))
    noise = {k: seed_noise(frame.iloc[: ends[k]]) for k in range(1, len(bands) + 1)}
    noise_sd = {k: each.sd for k, each in noise.items() if each is not None}
    return Cells(frame, rows, frame.log_loss.to_numpy(float)[None], noise_sd)


def spread(band: pd.DataFrame) -> pd.DataFrame:
    """The cells of a budget; of more than 200 as many, evenly over their sizes: a window is fitted often."""
    if len(band) <= MOST_CELLS:
        return band
    return band.sort_values("N").iloc[np.linspace(0, len(band) - 1, MOST_CELLS).astype(int)]


@dataclass(frozen=True)
class Window:
    """The budgets up to one fitted, and those after it forecast, without the discrepancy.

    Attributes
    ----------
    n_kept : int
        Budgets fitted.
    rows : array
        Cells forecast.
    components : mapping of str to StudentT
        Forecast of each cell, and last of the mean ln L over them, by the name of the law.
    log_gap_q : array
        ln(C / C_max) of each, C_max being the largest compute fitted.
    observed_Kq : array
        ln L of each.
    reasons : mapping of str to str
        Laws that could not be fitted.
    """

    n_kept: int
    rows: Rows
    components: Mapping[str, StudentT]
    log_gap_q: Array
    observed_Kq: Array
    reasons: Mapping[str, str] = field(default_factory=dict)

    def component(self, name: str, tau: float) -> StudentT:
        """The forecast of one law with the discrepancy."""
        return self.components[name].widened(tau * self.log_gap_q)

    @property
    def of_the_mean(self) -> "Window":
        """The forecast of the mean ln loss alone."""
        components = {name: each.last for name, each in self.components.items()}
        log_gap, observed = self.log_gap_q[-1:], self.observed_Kq[:, -1:]
        return replace(self, components=components, log_gap_q=log_gap, observed_Kq=observed)

    def can_mix(self, forms: Sequence[Law]) -> bool:
        """Whether any of the forms could be fitted."""
        return any(law.name in self.components for law in forms)

    def log_score(self, name: str, tau: float) -> Array:
        """Mean log density of the cells by one law, (K,)."""
        return self.component(name, tau).log_density(self.observed_Kq)[:, :-1].mean(axis=1)


Fits = Mapping[int, tuple[dict[str, FittedForm], dict[str, str]]]
"""By the number of budgets fitted: the forms by name, and the reasons of those that could not be fitted."""


def forecast_window(
    cells: Cells,
    forms: Sequence[Law],
    n_kept: int,
    n_out: int = 1,
    starts: Mapping[str, Mapping[str, Array]] = MappingProxyType({}),
) -> Window:
    """Fit the first budgets with each law and forecast the next.

    Parameters
    ----------
    cells : Cells
        All of them.
    forms : sequence of Law
        Those that are fitted; the reason is kept of one that cannot be.
    n_kept, n_out : int
        Budgets fitted, and budgets after them forecast.
    starts : mapping of str to mapping
        Parameters of laws on the budgets fitted to start from, by name, if there are any.

    Returns
    -------
    Window
    """
    fitted, reasons = fit_forms(cells, forms, n_kept, starts)
    rows = np.concatenate(cells.bands[n_kept : n_kept + n_out])
    return replace(forecast_rows(cells, fitted, n_kept, rows), reasons=reasons)


def fit_forms(
    cells: Cells, forms: Sequence[Law], n_kept: int, starts: Mapping[str, Mapping[str, Array]] = MappingProxyType({})
) -> tuple[dict[str, FittedForm], dict[str, str]]:
    """Each law on the first budgets, by name, and the reasons of those that could not be fitted."""
    fitted, reasons = {}, {}
    for law in forms:
        try:
            inner = fitted[chinchilla.name].params if chinchilla.name in fitted and len(cells.log_loss_Kn) > 1 else None
            fitted[law.name] = cells.fit(law, n_kept, start=starts.get(law.name), inner=inner)
        except HarnessError as error:
            reasons[law.name] = str(error)
    return fitted, reasons


def forecast_rows(cells: Cells, fitted: Mapping[str, FittedForm], n_kept: int, rows: Rows) -> Window:
    """Forecast later cells with laws fitted to the first budgets."""
    inputs, combine = cells.inputs(rows), _and_their_mean(len(rows))
    components = {name: form.forecast(inputs, inputs["n_seeds"], combine) for name, form in fitted.items()}
    largest = cells.frame.C.iloc[cells.kept(n_kept)].max()
    log_gap = combine @ np.maximum(np.log(inputs["C"] / largest), 0.0)
    return Window(n_kept, rows, components, log_gap, cells.log_loss_Kn[:, rows] @ combine.T)


def _and_their_mean(n_cells: int) -> Array:
    """Each cell, and last the mean over them."""
    return np.vstack([np.eye(n_cells), np.full((1, n_cells), 1 / n_cells)])


def expanding_fits(cells: Cells, forms: Sequence[Law] = FORMS, n_bands: int | None = None) -> Fits:
    """Fit up to each budget but the last, of the first so many (all by default)."""
    last = len(cells.bands) if n_bands is None else n_bands
    return {k: fit_forms(cells, forms, k) for k in range(MIN_BUDGETS_LEFT, last)}


def windows_of(cells: Cells, fits: Fits, ahead: int = 1) -> list[Window]:
    """From each fit, forecast the next budget, or the one so many ahead."""
    return [
        replace(forecast_rows(cells, fitted, k, cells.bands[k + ahead - 1]), reasons=reasons)
        for k, (fitted, reasons) in fits.items()
        if k + ahead <= len(cells.bands)
    ]


def expanding_windows(cells: Cells, forms: Sequence[Law] = FORMS, n_bands: int | None = None) -> list[Window]:
    """Fit up to each budget and forecast the next, within the first so many budgets (all by default)."""
    return windows_of(cells, expanding_fits(cells, forms, n_bands))


def form_weights(windows: Sequence[Window], names: Sequence[str], n_sets: int, tau: float) -> Array:
    """Weights of forms (K, forms): equal before any window, then by the sum of their log scores.

    Windows in which one of the forms could not be fitted compare nothing, and are left out.
    """
    total = np.zeros((n_sets, len(names)))
    for window in windows:
        if set(names) <= set(window.components):
            total += np.stack([window.log_score(name, tau) for name in names], axis=1)
    return softmax(total, axis=1)


def mixture_of(window: Window, before: Sequence[Window], forms: Sequence[Law], tau: float) -> Mixture:
    """Forecast a window by the mixture that the windows before it give.

    Raises
    ------
    HarnessError
        No form could be fitted.
    """
    names = [law.name for law in forms if law.name in window.components]
    if not names:
        raise HarnessError(next(iter(window.reasons.values()), "no form of the law was given"))
    weights = form_weights(before, names, len(window.observed_Kq), tau)
    return Mixture(tuple(window.component(name, tau) for name in names), weights, tuple(names))
