"""The three regions of a learning curve, detected: guessing, a power law, the irreducible loss."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from analysis.arrays import Array, Rows
from analysis.fitting.estimate import Estimate
from analysis.laws.learning_curve import PARAMS, boundaries, bounded
from scaling_harness.errors import HarnessError

MIN_SIZES, MIN_IN_POWER_LAW = 6, 3
SEEN = 2
"""Data sizes that a region at either end needs to be called seen."""
RESAMPLES = 200
_BETAS = (0.2, 0.5, 1.0)


class NoPowerLawError(HarnessError):
    """A bounded curve leaves too few data sizes to its power law."""


@dataclass(frozen=True)
class Regions:
    """A bounded curve fitted to losses, and where its regions end."""

    params: Mapping[str, float]
    beta: Estimate
    first: Estimate
    """D where the power law begins."""
    last: Estimate
    """D where it ends; infinite if the irreducible loss is 0."""
    n_guessing: int
    n_power_law: int
    n_irreducible: int
    residual_rms: float

    def sentence(self) -> str:
        """Which regions were seen, in words."""
        guessing = (
            f"guessing up to D = {_short(self.first)} ({self.n_guessing} sizes)"
            if self.n_guessing >= SEEN
            else f"no guessing region: {self.n_guessing} sizes lie below D = {_short(self.first)}"
        )
        irreducible = (
            f"the irreducible loss from D = {_short(self.last)} ({self.n_irreducible} sizes)"
            if self.n_irreducible >= SEEN
            else f"no irreducible region: {self.n_irreducible} sizes lie above D = {_short(self.last)}"
        )
        return f"{guessing}; a power law over {self.n_power_law} sizes, beta {self.beta:.2f}; {irreducible}"


def _short(boundary: Estimate) -> str:
    value = "infinity" if np.isinf(boundary.value) else f"{boundary.value:.2g}"
    if boundary.ci95 is None:
        return value
    low, high = boundary.ci95
    return f"{value} [{low:.2g}, {high:.2g}]"


def detect_regions(curve: pd.DataFrame, uniform_nats: float, entropy: float | None = None, seed: int = 0) -> Regions:
    """Fit the bounded curve by least squares of ln L and find its regions.

    Parameters
    ----------
    curve : DataFrame
        D and L, one row a data size.
    uniform_nats : float
        ln V, the loss of random guessing, which L_0 does not exceed.
    entropy : float, optional
        E, if it is known.
    seed : int
        Of the simulated curves that intervals come from.

    Returns
    -------
    Regions

    Raises
    ------
    HarnessError
        Too few data sizes, all together or within the power law.
    """
    fitted, log_loss = _fitted(curve, uniform_nats, entropy)
    D, (theta, squares) = fitted.D, fitted.solve(log_loss, fitted.starts(log_loss))
    params = fitted.params(theta)
    first, last, inside = _inside(params, D)
    noise = float(np.sqrt(squares / max(1, len(D) - len(theta))))
    drawn = np.random.default_rng(seed).standard_normal((RESAMPLES, len(D))) * noise + np.log(bounded(params, D))
    again = [fitted.params(fitted.solve(each, [theta])[0]) for each in drawn]
    ends = np.array([boundaries(each) for each in again])
    return Regions(
        params,
        Estimate.from_draws(params["beta"], [each["beta"] for each in again]),
        _boundary(first, ends[:, 0]),
        _boundary(last, ends[:, 1]),
        int((first > D).sum()),
        int(inside.sum()),
        int((last < D).sum()),
        float(np.sqrt(squares / len(D))),
    )


def _fitted(curve: pd.DataFrame, uniform_nats: float, entropy: float | None) -> "tuple[_Curve, Array]":
    """What is to be fitted, and to which ln L."""
    if (n := len(np.unique(curve["D"]))) < MIN_SIZES:
        raise HarnessError(f"three regions need {MIN_SIZES} data sizes: there are {n}")
    return _Curve(curve["D"].to_numpy(float), uniform_nats, entropy), np.log(curve["L"].to_numpy(float))


def _inside(params: Mapping[str, float], D: Array) -> tuple[float, float, Rows]:
    """Boundaries, and which data sizes lie between them."""
    first, last = boundaries(params)
    inside = (first <= D) & (last >= D)
    if inside.sum() < MIN_IN_POWER_LAW:
        where = f"between D = {first:.3g} and {last:.3g}" if np.isfinite(last) else f"above D = {first:.3g}"
        raise NoPowerLawError(
            f"{inside.sum()} of the data sizes lie {where}, where the loss falls fastest: the power-law region needs "
            f"{MIN_IN_POWER_LAW}"
        )
    return first, last, inside


def entropy_of(curve: pd.DataFrame) -> float | None:
    """Known E of a curve from `Evidence.curve`."""
    known = float(curve["entropy"].iloc[0])
    return known if np.isfinite(known) else None


def regions_of(curve: pd.DataFrame) -> Regions:
    """Regions of a curve from `Evidence.curve`."""
    return detect_regions(curve, float(np.log(curve["vocab_size"].iloc[0])), entropy_of(curve))


def limit_of(curve: pd.DataFrame) -> float | None:
    """E of a curve: known, or seen as a region of its own, whose error is small beside that of an exponent."""
    known = entropy_of(curve)
    found = None if known is not None else _point(curve)
    if found is None:
        return known
    params, (_, last) = found
    return params["E"] if np.sum(curve["D"] > last) >= SEEN and params["E"] < np.min(curve["L"]) else None


def beyond_guessing(curve: pd.DataFrame) -> pd.DataFrame:
    """A curve from where the power law begins; all of it if no regions can be told apart."""
    found = _point(curve)
    return curve if found is None else curve.loc[curve["D"] >= found[1][0]]


def _point(curve: pd.DataFrame) -> tuple[dict[str, float], tuple[float, float]] | None:
    """Parameters and boundaries without intervals; None if no regions can be told apart."""
    try:
        fitted, log_loss = _fitted(curve, float(np.log(curve["vocab_size"].iloc[0])), entropy_of(curve))
        params = fitted.params(fitted.solve(log_loss, fitted.starts(log_loss))[0])
        first, last, _ = _inside(params, fitted.D)
    except HarnessError:
        return None
    return params, (first, last)


def _boundary(value: float, draws: Array) -> Estimate:
    """Percentile interval that may reach infinity."""
    low, high = np.percentile(draws, [2.5, 97.5], method="nearest")
    return Estimate(value, None, (float(low), float(high)))


class _Curve:
    """Parameters: ln D_0, ln beta, the place of L_0 between the largest loss and ln V, and ln E if it is not known."""

    def __init__(self, D: Array, uniform_nats: float, entropy: float | None) -> None:
        self.D, self.uniform, self.entropy = D, uniform_nats, entropy

    def starts(self, log_loss: Array) -> list[Array]:
        middles = np.quantile(np.log(self.D), [0.1, 0.5])
        tail = [] if self.entropy is not None else [0.5 * np.exp(log_loss.min())]
        return [np.array([m, np.log(b), 0.9 * self.uniform, *tail]) for m in middles for b in _BETAS]

    def params(self, theta: Array) -> dict[str, float]:
        limit = self.entropy if self.entropy is not None else float(theta[3])
        return dict(
            zip(PARAMS, (limit, float(theta[2]), float(np.exp(theta[0])), float(np.exp(theta[1]))), strict=True)
        )

    def solve(self, log_loss: Array, starts: list[Array]) -> tuple[Array, float]:
        x = np.log(self.D)
        lowest = float(np.exp(log_loss.min()))
        bottom = self.entropy if self.entropy is not None else lowest
        low = [x.min() - 6, np.log(0.02), min(bottom, 0.99 * self.uniform)]
        high = [x.max() + 6, np.log(4.0), self.uniform]
        if self.entropy is None:
            low, high = [*low, 0.0], [*high, lowest]

        def residuals(theta: Array) -> Array:
            return np.log(bounded(self.params(theta), self.D)) - log_loss

        found = [
            optimize.least_squares(
                residuals, np.clip(start, np.add(low, 1e-9), np.subtract(high, 1e-9)), bounds=(low, high)
            )
            for start in starts
        ]
        best = min(found, key=lambda each: each.cost)
        return np.asarray(best.x), 2 * float(best.cost)
