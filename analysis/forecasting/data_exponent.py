"""How the loss will fall with data, from statistics of the tokens alone: Cagnetta et al. 2026, arXiv 2602.07488.

The entropy given n tokens falls as H_n - H ~ n^-gamma, correlations of tokens n apart as n^-beta. Of D tokens those
correlations are seen that exceed D^-1/2, to distances n* ~ D^(1 / 2 beta), so that the reducible loss of a model that
uses all it can see falls as D^-alpha_D with alpha_D = gamma / 2 beta.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from scaling_harness.errors import HarnessError
from scaling_harness.record.corpus_statistics import ContextEntropy, CorpusStatistics, LagCorrelation

DRAWS = 500
WIDEST = 0.2
"""Largest distance of the bounds of an entropy, as a share of their mean; beyond it the tokens ran out."""
ABOVE_NOISE = 3.0
"""Correlations are used up to the first that is not so many times its error."""
MIN_CONTEXTS, MIN_LAGS = 4, 3
_GAMMAS = np.geomspace(0.02, 8.0, 240)


@dataclass(frozen=True)
class Prediction:
    """The exponent of the reducible loss in D, before any training."""

    gamma: Estimate
    """H_n - H ~ n^-gamma."""
    beta: Estimate
    """Largest singular value of C(n) ~ n^-beta."""
    alpha_d: Estimate
    limit_nats: float
    """H, the limit of H_n."""
    limit_known: bool
    """Whether the law of the tokens says it; if not it is fitted with gamma, and 0 where H_n falls ever steeper."""
    contexts: tuple[int, ...]
    """n of the entropies used."""
    lags: tuple[int, ...]
    """n of the correlations used."""

    def sentence(self) -> str:
        """The prediction in words."""
        kind = "known" if self.limit_known else "fitted"
        return (
            f"gamma {self.gamma:.2f} from contexts of {_span(self.contexts)} tokens, above a {kind} limit of "
            f"{self.limit_nats:.3f} nats; beta {self.beta:.2f} from distances of {_span(self.lags)}: alpha_D = "
            f"gamma / 2 beta = {self.alpha_d:.3f}"
        )


def _span(numbers: Sequence[int]) -> str:
    return f"{min(numbers)} to {max(numbers)}"


def predict(statistics: CorpusStatistics, seed: int = 0) -> Prediction:
    """Predict alpha_D of a data set.

    Parameters
    ----------
    statistics : CorpusStatistics
        From `scaling-harness data statistics`.
    seed : int
        Of the draws that intervals come from.

    Returns
    -------
    Prediction
        Intervals come from entropies drawn between their bounds and from the scatter about each power law.

    Raises
    ------
    HarnessError
        The entropy reaches its limit, or correlations their noise, within too few tokens for a power law.
    """
    rng = np.random.default_rng(seed)
    entropies, correlations = usable_entropies(statistics), usable_correlations(statistics)
    x = np.log([each.n for each in entropies])
    low, high = (np.array([getattr(each, side) for each in entropies]) for side in ("low", "high"))
    drawn_KP = np.sort(low + (high - low) * rng.random((DRAWS, len(low))), axis=1)[:, ::-1]
    drawn_KP = np.concatenate([((low + high) / 2)[None], drawn_KP])
    if statistics.entropy_rate is None:
        limits, gammas = _drawn_gammas(x, drawn_KP, rng)
    else:
        limits = np.full(len(drawn_KP), statistics.entropy_rate)
        gammas = _slopes(x, np.log(np.maximum(drawn_KP - limits[:, None], np.finfo(float).tiny)), rng)
    lags = np.log([each.n for each in correlations])
    norms = np.log([[each.norm for each in correlations]])
    betas = _slopes(lags, np.repeat(norms, DRAWS + 1, axis=0), rng)
    beta = Estimate.from_draws(betas[0], betas[1:])
    if beta.ci95 is None or beta.ci95[0] <= 0:
        raise HarnessError(
            f"{statistics.label}: correlations do not fall with the distance of tokens (beta {beta:.2f}), so that no "
            "exponent follows from them"
        )
    alphas = gammas / (2 * betas)
    return Prediction(
        Estimate.from_draws(gammas[0], gammas[1:]),
        beta,
        Estimate.from_draws(alphas[0], alphas[1:]),
        float(limits[0]),
        statistics.entropy_rate is not None,
        tuple(each.n for each in entropies),
        tuple(each.n for each in correlations),
    )


def usable_entropies(statistics: CorpusStatistics) -> list[ContextEntropy]:
    """Entropies given one token or more, up to where their bounds part or they reach a known limit.

    Raises
    ------
    HarnessError
        They are too few for gamma.
    """
    kept, why = [], "there are no others"
    for each in statistics.entropies:
        if each.n < 1:
            continue
        if each.high - each.low > WIDEST * (each.high + each.low) / 2:
            why = (
                f"at n = {each.n} their bounds {each.low:.3g} and {each.high:.3g} lie too far apart: count more tokens"
            )
            break
        if statistics.entropy_rate is not None and each.low <= statistics.entropy_rate:
            why = (
                f"at n = {each.n} they have reached the limit of {statistics.entropy_rate:.4g} nats: no power law of n"
            )
            break
        kept.append(each)
    if len(kept) < MIN_CONTEXTS:
        raise HarnessError(
            f"{statistics.label}: gamma needs the entropies of {MIN_CONTEXTS} contexts, {len(kept)} can be used; {why}"
        )
    return kept


def usable_correlations(statistics: CorpusStatistics) -> list[LagCorrelation]:
    """Correlations up to the first within the noise.

    Raises
    ------
    HarnessError
        They are too few for beta.
    """
    kept: list[LagCorrelation] = []
    for each in statistics.correlations:
        if each.norm <= ABOVE_NOISE * each.error:
            break
        kept.append(each)
    if len(kept) < MIN_LAGS:
        raise HarnessError(
            f"{statistics.label}: beta needs correlations above noise at {MIN_LAGS} distances, there are {len(kept)}: "
            "count more tokens, if these have any at larger distances"
        )
    return kept


def _slopes(x: Array, y_KP: Array, rng: np.random.Generator) -> Array:
    """Minus the slope of each line; of all but the first with its own error, by Student's law."""
    centred = x - x.mean()
    slopes = y_KP @ centred / (centred @ centred)
    residuals = y_KP - y_KP.mean(axis=1, keepdims=True) - slopes[:, None] * centred
    dof = len(x) - 2
    errors = np.sqrt((residuals**2).sum(axis=1) / dof / (centred @ centred))
    errors[0] = 0.0
    return -(slopes + errors * rng.standard_t(dof, len(slopes)))


def _drawn_gammas(x: Array, y_KP: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Limit and gamma of the first row, and of the others with the scatter of the first fit added."""
    _, _, scatter = _limits_and_gammas(x, y_KP[:1])
    noise_KP = scatter[0] * rng.standard_normal(y_KP.shape)
    noise_KP[0] = 0.0
    limits, gammas, _ = _limits_and_gammas(x, y_KP + noise_KP)
    return limits, gammas


def _limits_and_gammas(x: Array, y_KP: Array) -> tuple[Array, Array, Array]:
    """Limit, gamma and scatter of y = limit + c n^-gamma, the limit not negative: least squares, linear but for gamma.

    The grid of gamma is finer than its interval ever is.
    """
    powers_GP = np.exp(-_GAMMAS[:, None] * x)
    centred_GP = powers_GP - powers_GP.mean(axis=1, keepdims=True)
    c_KG = y_KP @ centred_GP.T / (centred_GP**2).sum(axis=1)
    limit_KG = y_KP.mean(axis=1, keepdims=True) - c_KG * powers_GP.mean(axis=1)
    through_zero_KG = y_KP @ powers_GP.T / (powers_GP**2).sum(axis=1)
    c_KG = np.where(limit_KG < 0, through_zero_KG, c_KG)
    limit_KG = np.maximum(limit_KG, 0.0)
    misfit_KG = np.zeros_like(c_KG)
    for p in range(len(x)):
        misfit_KG += (y_KP[:, [p]] - limit_KG - c_KG * powers_GP[:, p]) ** 2
    best_K = np.argmin(misfit_KG, axis=1)
    rows = np.arange(len(best_K))
    scatter = np.sqrt(misfit_KG[rows, best_K] / max(1, len(x) - 3))
    return limit_KG[rows, best_K], _GAMMAS[best_K], scatter
