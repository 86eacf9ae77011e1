"""Sweeps whose truth is of no form that is fitted to them: what the intervals of forecasts are measured on.

Every sweep draws a truth of its own: E, both exponents and the size of the reducible loss, and how far and in which
direction its form departs from the sum of two powers. The strengths of the departures were set by one number each, so
that single laws miss four times the compute by .02 per unit of ln C, as they do on public tables (`bench.discrepancy`).
Pilots at weaker strengths had been seen then; the coverage at these had not, and they were not changed after.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.validation.mixture import Cells

FITTED = 5
BUDGET_RATIO = 3.0
AHEAD = (4.0, 16.0)
SMALLEST_BUDGET = 4e10
N_SIZES, SPAN = 7, 3.0
NOISE = 0.004
TOKENS_PER_PARAM = 20.0


@dataclass(frozen=True)
class Truth:
    """The sum of two powers that K sweeps depart from, each array (K, 1), in logs about the centre of the fitted grid.

    Attributes
    ----------
    offset : array
        E.
    log_reducible : array
        Logarithm of the reducible loss at the centre.
    alpha, beta : array
        Exponents; at the centre the two terms are as beta to alpha, so that it is optimal.
    strength : array
        Standard normal: sign and size of the departure.
    place : array
        Uniform in 0 to 1: where it sets in, if it does so somewhere.
    """

    offset: Array
    log_reducible: Array
    alpha: Array
    beta: Array
    strength: Array
    place: Array

    def log_sum(self, n: Array, d: Array) -> Array:
        """Ln of the reducible loss over that at the centre, at ln N and ln D from there."""
        share = self.beta / (self.alpha + self.beta)
        return np.logaddexp(np.log(share) - self.alpha * n, np.log1p(-share) - self.beta * d)


Departure = Callable[[Truth, Array, Array], Array]
"""Truth, ln N and ln D from the centre -> ln of the reducible loss over that at the centre, (K, n)."""


def draw_truths(n_sweeps: int, rng: np.random.Generator) -> Truth:
    """Draw what K sweeps depart from."""

    def uniform(low: float, high: float) -> Array:
        return rng.uniform(low, high, (n_sweeps, 1))

    alpha, beta = uniform(0.28, 0.42), uniform(0.28, 0.42)
    strength = rng.standard_normal((n_sweeps, 1))
    return Truth(uniform(0.7, 1.7), np.log(uniform(0.5, 1.2)), alpha, beta, strength, uniform(0.0, 1.0))


def _interaction(truth: Truth, n: Array, d: Array) -> Array:
    return truth.log_sum(n, d) + INTERACTION * truth.strength * n * d


def _curvature(truth: Truth, n: Array, d: Array) -> Array:
    return truth.log_sum(n, d) + CURVATURE * truth.strength * (n + d) ** 2


def _broken(truth: Truth, n: Array, d: Array) -> Array:
    """A smoothly broken power law in D (Caballero et al. 2023): another exponent from some D on."""
    return truth.log_sum(n, d + (np.exp(BROKEN * truth.strength) - 1) * _bend(d, truth.place))


def _large_scale(truth: Truth, n: Array, d: Array) -> Array:
    """Both exponents change at some N and D."""
    more = np.exp(LARGE_SCALE * truth.strength) - 1
    return truth.log_sum(n + more * _bend(n, truth.place), d + more * _bend(d, truth.place))


def _drifting_k(truth: Truth, n: Array, d: Array) -> Array:
    """Skaling's outer exponent, .5 to 1 at the centre, changes with the loss."""
    x = truth.log_sum(n, d)
    return (0.5 + truth.place / 2) * x + DRIFTING_K * truth.strength * x**2


def _bend(x: Array, place: Array) -> Array:
    """Zero up to a place between the middle of the fitted range and the first budget forecast, then like x."""
    return BEND_WIDTH * np.logaddexp(0.0, (x - place * LAST_BEND) / BEND_WIDTH)


LAST_BEND = 0.25 * (FITTED - 1) * float(np.log(BUDGET_RATIO)) + 0.5 * float(np.log(AHEAD[0]))
BEND_WIDTH = 0.2
INTERACTION, CURVATURE, BROKEN, LARGE_SCALE, DRIFTING_K = 0.065, 0.027, 3.0, 1.9, 0.6


def _design() -> pd.DataFrame:
    """N, D, C and the number of the budget: those fitted, then those to be forecast."""
    fitted = SMALLEST_BUDGET * BUDGET_RATIO ** np.arange(FITTED)
    budgets = np.concatenate([fitted, fitted[-1] * np.array(AHEAD)])
    rows = [
        (k, n, C / FLOPS_PER_PARAM_TOKEN / n, C)
        for k, C in enumerate(budgets.tolist())
        for n in np.sqrt(C / FLOPS_PER_PARAM_TOKEN / TOKENS_PER_PARAM) * SPAN ** np.linspace(-1, 1, N_SIZES)
    ]
    return pd.DataFrame(rows, columns=["budget", "N", "D", "C"])


@dataclass(frozen=True)
class OtherForm:
    """One family of truths on one design.

    Attributes
    ----------
    name, describes : str
    departure : callable
    design : DataFrame
        budget, N, D and C of each cell; the last budgets are forecast.
    """

    name: str
    describes: str
    departure: Departure
    design: pd.DataFrame = field(default_factory=_design)

    def sweeps(self, n_sweeps: int, rng: np.random.Generator, scale: float = 1.0) -> tuple[Array, Array]:
        """Draw ln L of each cell of K sweeps with noise, and the true ln L, each (K, cells)."""
        kept = np.empty((0, len(self.design)))
        while len(kept) < n_sweeps:
            drawn = self._true_log_loss(draw_truths(n_sweeps, rng), scale)
            kept = np.concatenate([kept, drawn[self._falls(drawn)]])
        kept = kept[:n_sweeps]
        return kept + NOISE * rng.standard_normal(kept.shape), kept

    def _true_log_loss(self, truth: Truth, scale: float) -> Array:
        truth = replace(truth, strength=scale * truth.strength)
        fitted = self.design.budget.to_numpy() < FITTED
        n, d = (logs - logs[fitted].mean() for logs in np.log(self.design[["N", "D"]].to_numpy()).T)
        return np.logaddexp(np.log(truth.offset), truth.log_reducible + self.departure(truth, n[None], d[None]))

    def _falls(self, log_loss: Array) -> Rows:
        """Whether every budget reaches a lower loss than the one before: else no one would call it a scaling law."""
        lowest = [log_loss[:, self.design.budget == k].min(axis=1) for k in self.design.budget.unique()]
        return np.all(np.diff(lowest, axis=0) < 0, axis=0)


OTHER_FORMS = {
    each.name: each
    for each in (
        OtherForm("interaction", "reducible loss times exp(s ln N ln D)", _interaction),
        OtherForm("curvature", "reducible loss times exp(s ln^2 C)", _curvature),
        OtherForm("broken", "another exponent of D from somewhere in the upper half of the fitted range on", _broken),
        OtherForm("large_scale", "other exponents of N and D from there on", _large_scale),
        OtherForm("drifting_k", "Skaling's k, .5 to 1, changes with the loss", _drifting_k),
    )
}


def cells_of_form(form: OtherForm, n_sweeps: int, rng: np.random.Generator, scale: float = 1.0) -> Cells:
    """Draw K sweeps as cells in budgets, those to be forecast last.

    Parameters
    ----------
    form : OtherForm
        Where their truths are from.
    n_sweeps : int
        How many.
    rng : numpy.random.Generator
        Source of truths and noise.
    scale : float
        Times the declared strength of the departure.

    Returns
    -------
    Cells
    """
    measured, _ = form.sweeps(n_sweeps, rng, scale)
    frame = form.design.assign(n_seeds=1.0)
    bands = tuple(np.flatnonzero(frame.budget == k) for k in frame.budget.unique())
    return Cells(frame, bands, measured)
