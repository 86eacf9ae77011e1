"""What it costs to train another size than the best: a size that is off by a factor, or the one a fit recommends."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.laws.cost_model import SIX_ND, CostModel, compute_on_frontier, optimal_under
from analysis.laws.law import Law, Optimum, frontier

WRONG_BY = (1 / 3, 1 / 2, 2.0, 3.0)


@dataclass(frozen=True)
class WrongSize:
    """A size off by a factor at the same budget; the tokens off by its inverse if C = 6 N D.

    Attributes
    ----------
    factor : float
        N over the best N.
    n_params, n_tokens : float
    extra_loss_nats : Estimate
        Loss above the optimum; the interval takes each resample for the truth, its own optimum included.
    wasted_compute : Estimate
        The same as a share of the budget: 0.1 means that the optimum reaches that loss with 10 % less.
    """

    factor: float
    n_params: float
    n_tokens: float
    extra_loss_nats: Estimate
    wasted_compute: Estimate


@dataclass(frozen=True)
class CostOfChoice:
    """What it costs to follow the recommended N and D if a resample is the truth: mean and interval over resamples.

    Attributes
    ----------
    extra_loss_nats : Estimate
        Loss of the recommended allocation above the resample's own optimum; the mean is the expected regret.
    wasted_compute : Estimate
        The same as a share of the budget: 0.1 means that the optimum reaches that loss with 10 % less.
    """

    extra_loss_nats: Estimate
    wasted_compute: Estimate


def wrong_sizes(
    law: Law, params: Mapping[str, ArrayLike], draws: Mapping[str, Array], train_flops: float, cost: CostModel = SIX_ND
) -> tuple[WrongSize, ...]:
    """Cost of training 1/3, 1/2, 2 and 3 times the best N at one budget.

    Parameters
    ----------
    law : Law
        One with an optimum under C(N, D).
    params : mapping
        The estimate.
    draws : mapping of str to array (K,)
        Resampled parameters; empty if there are none.
    train_flops : float
        The budget.
    cost : CostModel
        What N and D cost.

    Returns
    -------
    tuple of WrongSize

    Raises
    ------
    ValueError
        For a law without an optimum.
    """
    best = optimal_under(cost, law, params, train_flops)
    sizes = []
    for factor in WRONG_BY:
        extra, wasted = _cost_of_factor(law, params, train_flops, factor, cost)
        extra_K, wasted_K = _cost_of_factor(law, draws, train_flops, factor, cost) if draws else (np.array([]),) * 2
        paid = Estimate.from_draws(float(extra), extra_K), Estimate.from_draws(float(wasted), wasted_K)
        n_tokens = _tokens(cost, best, factor, train_flops)
        sizes.append(WrongSize(factor, float(best.n_params) * factor, float(n_tokens), *paid))
    return tuple(sizes)


def _cost_of_factor(
    law: Law, params: Mapping[str, ArrayLike], train_flops: float, factor: float, cost: CostModel
) -> tuple[Array, Array]:
    """Extra loss and wasted share of the budget of a size off by a factor."""
    best = optimal_under(cost, law, params, train_flops)
    loss = law.predict(params, N=best.n_params * factor, D=_tokens(cost, best, factor, train_flops))
    return loss - best.loss_nats, 1 - _compute_share(law, params, loss, best, train_flops, cost)


def _tokens(cost: CostModel, best: Optimum, factor: float, train_flops: float) -> Array:
    """Tokens that the budget leaves a size off by a factor."""
    if cost.proportional:
        return best.n_tokens / factor
    return cost.tokens(train_flops, best.n_params * factor)


def cost_of_choice(
    law: Law, params: Mapping[str, ArrayLike], draws: Mapping[str, Array], train_flops: float, cost: CostModel = SIX_ND
) -> CostOfChoice:
    """What it costs to follow the estimate at one budget.

    Parameters
    ----------
    law : Law
        One with an optimum under C(N, D).
    params : mapping
        The estimate.
    draws : mapping of str to array (K,)
        Resampled parameters. Those without an optimum (an exponent at zero) count for nothing.
    train_flops : float
        The budget.
    cost : CostModel
        What N and D cost.

    Returns
    -------
    CostOfChoice

    Raises
    ------
    ValueError
        For a law without an optimum.
    """
    chosen, best = (optimal_under(cost, law, each, train_flops) for each in (params, draws))
    followed = law.predict(draws, N=chosen.n_params, D=chosen.n_tokens)
    excess = np.maximum(followed - best.loss_nats, 0.0)
    wasted = 1 - _compute_share(law, draws, followed, best, train_flops, cost)
    return CostOfChoice(_mean(excess), _mean(wasted))


def _mean(draws: Array) -> Estimate:
    """Mean of the finite draws, with their interval."""
    finite = draws[np.isfinite(draws)]
    return Estimate.from_draws(float(finite.mean()) if len(finite) else float("nan"), finite)


def _compute_share(
    law: Law, params: Mapping[str, ArrayLike], loss: Array, best: Optimum, train_flops: float, cost: CostModel
) -> Array:
    """Compute at which the optimum is as good as ``loss``, over the budget.

    If C = k N D, the sum of the two terms falls as C^-gamma along the frontier, gamma = alpha beta / (alpha + beta).
    """
    if law.form or not cost.proportional:
        return np.minimum(1.0, compute_on_frontier(cost, law, params, loss) / train_flops)
    arrays = {name: np.asarray(value, float) for name, value in params.items()}
    power = law.terms[0].exponents["N"]
    gamma = (arrays[power] if isinstance(power, str) else power) * frontier(arrays, law)["a"]
    offset = arrays[law.offset] if law.offset else 0.0
    outer = arrays[law.outer] if law.outer else 1.0
    return np.minimum(1.0, ((loss - offset) / (best.loss_nats - offset)) ** (-1 / (gamma * outer)))
