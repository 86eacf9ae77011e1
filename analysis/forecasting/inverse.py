"""The least compute that reaches a loss or a size, by bisection; and whether a source can tell."""

from collections.abc import Callable, Mapping

import numpy as np

from analysis.arrays import Array
from analysis.forecasting.source import Source
from analysis.laws.law import why_no_optimum
from scaling_harness.errors import HarnessError

LOG_COMPUTE = (0.0, 150.0)  # 1 to 1e65 FLOP: whatever lies beyond is called out of reach
BISECTIONS = 70


def compute_for_loss(source: Source, params: Mapping[str, Array], loss: float | Array) -> Array:
    """Least compute that reaches a loss.

    Parameters
    ----------
    source : Source
        One with an optimum, or with a law in C alone.
    params : mapping of str to array (K,)
        Its parameters.
    loss : float or array (K,)
        Nats.

    Returns
    -------
    array (K,)
        FLOP; inf if no compute reaches it.

    Raises
    ------
    HarnessError
        The source has no optimum.
    """
    if only_input(source) == "C" and source.law is not None:
        law = source.law
        return compute_where(lambda flops: loss - law.predict(params, C=flops), size(params))
    require_optimum(source)
    return compute_where(lambda flops: loss - source.optimal(params, flops).loss_nats, size(params))


def compute_where(excess: Callable[[Array], Array], n_problems: int) -> Array:
    """Where a function that rises with compute turns positive, by bisection in ln C; inf if it does not."""
    low, high = (np.full(n_problems, end) for end in LOG_COMPUTE)
    reached = excess(np.exp(high)) >= 0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = excess(np.exp(middle)) >= 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(reached, np.exp(high), np.inf)


def why_unreachable(source: Source, loss: float) -> str:
    """Sentence for a loss that no compute reaches."""
    offset = source.law.offset if source.law else None
    if offset and loss <= source.values[offset]:
        return (
            f"no compute reaches a loss of {loss:.5g}: the irreducible loss {offset} of {source.name} is "
            f"{source.values[offset]:.5g} nats per {source.unit}; ask for more than that"
        )
    return f"no compute up to {np.exp(LOG_COMPUTE[1]):.0e} FLOP reaches a loss of {loss:.5g} by {source.name}"


def size(params: Mapping[str, Array]) -> int:
    """How many parameter vectors."""
    return len(next(iter(params.values())))


def only_input(source: Source) -> str | None:
    """Input of a law in one variable."""
    inputs = source.law.inputs if source.law else ()
    return inputs[0] if len(inputs) == 1 else None


def require_optimum(source: Source) -> None:
    """Refuse a source without an optimum.

    Raises
    ------
    HarnessError
        With the reason.
    """
    if source.law is None:
        raise HarnessError(f"{source.name} holds exponents without coefficients: it forecasts nothing")
    if not source.has_optimum:
        raise HarnessError(f"{source.name} has no optimum under C = 6 N D: {why_no_optimum(source.law)}")
