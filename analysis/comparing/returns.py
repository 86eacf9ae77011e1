"""What a FLOP returns under each of several recipes: the loss at a budget, and what twice the budget takes off it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.forecasting.inverse import only_input, size
from analysis.forecasting.source import Source


def has_returns(source: Source) -> bool:
    """Whether a source has a loss at a budget: a law with an optimum, or in C alone."""
    return source.has_optimum or (source.law is not None and only_input(source) == "C")


def loss_at(source: Source, params: Mapping[str, Array], train_flops: ArrayLike) -> Array:
    """Loss at a budget, N and D split at best.

    Parameters
    ----------
    source : Source
        One that `has_returns`.
    params : mapping of str to array (K,)
        Its parameters.
    train_flops : array_like
        The budget.

    Returns
    -------
    array (K,)
    """
    if only_input(source) == "C" and source.law is not None:
        return source.law.predict(params, C=train_flops)
    return source.optimal(params, np.broadcast_to(np.asarray(train_flops, float), (size(params),))).loss_nats


def gain_of_doubling(source: Source, params: Mapping[str, Array], train_flops: float) -> Array:
    """Nats that twice the budget takes off the loss, (K,)."""
    return loss_at(source, params, train_flops) - loss_at(source, params, 2 * train_flops)


def returns_of(source: Source, train_flops: float) -> tuple[Estimate, Estimate]:
    """Loss at a budget and gain of doubling it, with the intervals of the source's resamples.

    Parameters
    ----------
    source : Source
        One that `has_returns`.
    train_flops : float
        The budget.

    Returns
    -------
    Estimate, Estimate
        Nats. The second over the budget is about the nats that a FLOP more returns there.
    """
    point = {name: np.array([value]) for name, value in source.values.items()}
    values = loss_at(source, point, train_flops), gain_of_doubling(source, point, train_flops)
    if not source.draws:
        return Estimate(float(values[0][0])), Estimate(float(values[1][0]))
    drawn = loss_at(source, source.draws, train_flops), gain_of_doubling(source, source.draws, train_flops)
    loss, gain = (Estimate.from_draws(float(value[0]), draws) for value, draws in zip(values, drawn, strict=True))
    return loss, gain
