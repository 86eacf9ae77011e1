"""The size that costs least to train to a loss and then to use (Sardana et al. 2023, arXiv 2401.00448)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.laws.cost_model import SIX_ND, CostModel, optimal_under
from analysis.laws.law import Law, terms_in_n_and_d

FORWARD = 1 / 3
"""Share of training's FLOPs that a forward pass takes: 2 of 6 N."""
BISECTIONS = 64


@dataclass(frozen=True)
class InferenceChoice:
    """A size and its tokens that reach the loss of the compute-optimal ones for fewer FLOPs over their life.

    Attributes
    ----------
    inference_tokens : float
        Expected over the life of the model.
    loss_nats : float
        What both choices reach.
    n_params, n_tokens, tokens_per_param : Estimate
        The size, and the tokens it is trained on; each resample's own optimum and loss make the interval.
    train_flops, inference_flops : float
        What it costs; inference 2 N a token, a third of training.
    optimal_total_flops : float
        Training and inference of the compute-optimal choice.
    saved : Estimate
        1 - its total over that.
    """

    inference_tokens: float
    loss_nats: float
    n_params: Estimate
    n_tokens: Estimate
    tokens_per_param: Estimate
    train_flops: float
    inference_flops: float
    optimal_total_flops: float
    saved: Estimate


@dataclass(frozen=True)
class _Choice:
    """Sizes and tokens of least total for K parameter vectors."""

    n_params: Array
    n_tokens: Array
    loss_nats: Array
    train_flops: Array
    inference_flops: Array
    optimal_total_flops: Array
    tokens_per_param: Array
    saved: Array


def inference_aware(
    law: Law,
    params: Mapping[str, float],
    draws: Mapping[str, Array],
    train_flops: float,
    inference_tokens: float,
    cost: CostModel = SIX_ND,
) -> InferenceChoice:
    """Minimise training plus inference FLOPs at the loss of the compute-optimal choice of a budget.

    Parameters
    ----------
    law : Law
        One with an optimum under C(N, D).
    params : mapping
        The estimate.
    draws : mapping of str to array (K,)
        Resampled parameters; empty if there are none.
    train_flops : float
        The budget whose best loss is to be reached.
    inference_tokens : float
        Expected over the life of the model.
    cost : CostModel
        What N and D cost.

    Returns
    -------
    InferenceChoice

    Raises
    ------
    ValueError
        For a law without an optimum.
    """
    at = {name: np.array([value]) for name, value in params.items()}
    point = _cheapest(law, at, train_flops, inference_tokens, cost)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # resamples with an exponent at zero
        drawn = _cheapest(law, draws, train_flops, inference_tokens, cost) if draws else None

    def estimate(name: str) -> Estimate:
        return Estimate.from_draws(float(getattr(point, name)[0]), getattr(drawn, name) if drawn else np.array([]))

    return InferenceChoice(
        inference_tokens=inference_tokens,
        loss_nats=float(point.loss_nats[0]),
        n_params=estimate("n_params"),
        n_tokens=estimate("n_tokens"),
        tokens_per_param=estimate("tokens_per_param"),
        train_flops=float(point.train_flops[0]),
        inference_flops=float(point.inference_flops[0]),
        optimal_total_flops=float(point.optimal_total_flops[0]),
        saved=estimate("saved"),
    )


def _cheapest(
    law: Law, params: Mapping[str, Array], train_flops: float, inference_tokens: float, cost: CostModel
) -> _Choice:
    """Bisect between the size that needs endless tokens for the loss and the compute-optimal one.

    At the least total a last FLOP on either input lowers the loss by the same: with I the inference tokens,
    alpha A N^-alpha / (beta B D^-beta) = 1 + I / 3 D under C = 6 N D. The left side falls with N, the right side rises.
    """
    best, terms = optimal_under(cost, law, params, train_flops), terms_in_n_and_d(params, law)
    assert terms is not None  # otherwise there is no optimum either
    A, B, alpha, beta = np.broadcast_arrays(*terms)
    reducible = A * best.n_params**-alpha + B * best.n_tokens**-beta

    def tokens(log_n: Array) -> Array:
        return (B / (reducible - A * np.exp(-alpha * log_n))) ** (1 / beta)

    low, high = (np.log(A) - np.log(reducible)) / alpha, np.log(best.n_params)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        D = tokens(middle)
        used = 1 + FORWARD * cost.flops(np.exp(middle), inference_tokens) / cost.flops(np.exp(middle), D)
        gain = alpha * A * np.exp(-alpha * middle) / (beta * B * D**-beta)
        too_small = gain > used * cost.slope(middle) / cost.d_power
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    n_params, n_tokens = np.exp((low + high) / 2), tokens((low + high) / 2)
    inference, at_best = (FORWARD * cost.flops(n, inference_tokens) for n in (n_params, best.n_params))
    trained, other = cost.flops(n_params, n_tokens), train_flops + at_best
    saved = 1 - (trained + inference) / other
    return _Choice(n_params, n_tokens, best.loss_nats, trained, inference, other, n_tokens / n_params, saved)
