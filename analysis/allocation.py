"""What it costs to train the size that a fit recommends, if the fit is off."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.laws import FLOPS_PER_PARAM_TOKEN, Array, Law, frontier
from analysis.result import Estimate


@dataclass(frozen=True)
class CostOfChoice:
    """The recommended N and D against what each resample would have chosen, at one budget.

    Attributes
    ----------
    n_params, n_tokens, tokens_per_param, loss_nats : Estimate
        The recommendation and its interval.
    excess_loss_nats : Estimate
        Loss of the recommended allocation above the optimum, if a resample is the truth: the value is
        the mean over resamples.
    wasted_compute : Estimate
        The same as a share of the budget: 0.1 means that the optimum reaches that loss with 10 % less.
    """

    n_params: Estimate
    n_tokens: Estimate
    tokens_per_param: Estimate
    loss_nats: Estimate
    excess_loss_nats: Estimate
    wasted_compute: Estimate


def cost_of_choice(
    law: Law, params: Mapping[str, ArrayLike], draws: Mapping[str, Array], train_flops: float
) -> CostOfChoice:
    """Intervals on the compute-optimal allocation, and what it costs to follow the estimate.

    Parameters
    ----------
    law : Law
        One with an optimum under C = 6 N D.
    params : mapping
        The estimate.
    draws : mapping of str to array (K,)
        Resampled parameters.
    train_flops : float
        The budget.

    Returns
    -------
    CostOfChoice

    Raises
    ------
    ValueError
        For a law without an optimum.
    """
    chosen, best = law.optimal(params, train_flops), law.optimal(draws, train_flops)
    followed = law.predict(draws, N=chosen.n_params, D=chosen.n_tokens)
    excess = np.maximum(followed - best.loss_nats, 0.0)
    wasted = 1 - _compute_share(law, draws, chosen.n_params, chosen.n_tokens, train_flops)
    pairs = {
        name: Estimate.from_draws(float(getattr(chosen, name)), getattr(best, name))
        for name in ("n_params", "n_tokens", "tokens_per_param", "loss_nats")
    }
    return CostOfChoice(
        **pairs,
        excess_loss_nats=Estimate.from_draws(float(np.mean(excess)), excess),
        wasted_compute=Estimate.from_draws(float(np.mean(wasted)), wasted),
    )


def _compute_share(law: Law, draws: Mapping[str, Array], n: Array, d: Array, train_flops: float) -> Array:
    """Compute at which the optimum is as good as (n, d), over the budget.

    The sum of the two terms falls as C^-gamma along the frontier, gamma = alpha beta / (alpha + beta).
    """
    split = frontier(dict(draws), law)
    best_n = split["G"] * (train_flops / FLOPS_PER_PARAM_TOKEN) ** split["a"]
    best_d = train_flops / FLOPS_PER_PARAM_TOKEN / best_n
    term_n, term_d = law.terms
    power = term_n.exponents["N"]
    alpha = draws[power] if isinstance(power, str) else np.asarray(power)
    followed = term_n.value(draws, {"N": n}) + term_d.value(draws, {"D": d})
    optimal = term_n.value(draws, {"N": best_n}) + term_d.value(draws, {"D": best_d})
    return np.minimum(1.0, (followed / optimal) ** (-1 / (alpha * split["a"])))
