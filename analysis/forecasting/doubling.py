"""What doubling N, D, C or the batch buys by a law: shares of the loss, and of steps and tokens for a batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.result import FitResult
from analysis.forecasting.source import Source, as_source
from analysis.laws.critical_batch import doubled_batch
from scaling_harness.errors import HarnessError

BY_ITSELF = "no other input"
SIX_ND_INPUTS = ("N", "D")


@dataclass(frozen=True)
class Doubling:
    """One thing doubled.

    Attributes
    ----------
    doubled : str
        N, D, C, ...; "C, split at best" if N and D follow the optimum; "batch".
    with_it : str
        What changes with it: C with N of a law of N, C and D.
    at : str
        Where.
    of : str
        What changes: "loss", or "steps" and "tokens" to the same loss.
    change : Estimate
        That share: -.05 is 5 % less.
    """

    doubled: str
    with_it: str
    at: str
    of: str
    change: Estimate


def doublings(source: Source | FitResult | str) -> tuple[Doubling, ...]:
    """What doubling each input of a law does to the loss, and doubling C if N and D are split at best.

    Of a law without E the share is the same everywhere, 2^-alpha; of others it is that at the best N and D of the
    largest C of the runs, or at the largest inputs of the runs. Inputs with an exponent that is held are left out. A
    law of N, D and C, which is one of C *given* N and D, is also read with C = k N D: doubling N then doubles C.

    Parameters
    ----------
    source : Source, FitResult or str
        A fit, or what `open_source` takes.

    Returns
    -------
    tuple of Doubling

    Raises
    ------
    HarnessError
        The source has no law of the loss, or does not say what its runs span.
    """
    source = as_source(source)
    law = source.law
    if law is None or law.predicts != "L":
        raise HarnessError(f"{source.name} has no law of the loss: doubling cannot be told")
    place = _place(source)
    at = ", ".join(f"{name} = {value:.3g}" for name, value in place.items())
    held = {x for term in law.terms for x, power in term.exponents.items() if power in law.fixed}
    rows = [
        Doubling(name, BY_ITSELF, at, "loss", _change(source, place, (name,))) for name in place if name not in held
    ]
    if {"C", *SIX_ND_INPUTS} <= set(place) - held:
        rows += [Doubling(x, "C, as k N D", at, "loss", _change(source, place, (x, "C"))) for x in SIX_ND_INPUTS]
    if source.has_optimum and "C" in source.input_ranges:
        rows.append(Doubling("C, split at best", "N and D", at, "loss", _at_best(source)))
    return tuple(rows)


def batch_doublings(batch_tokens: float, critical_tokens: float) -> tuple[Doubling, ...]:
    """Steps and tokens to the same loss with twice the batch.

    Parameters
    ----------
    batch_tokens, critical_tokens : float
        The batch, and the critical one at that loss, tokens.

    Returns
    -------
    tuple of Doubling
        Of steps and of tokens, without intervals: those of B_crit are not known here.
    """
    at = f"batch = {batch_tokens:.3g} tokens, B_crit = {critical_tokens:.3g}"
    steps, tokens = doubled_batch(batch_tokens, critical_tokens)
    pairs = (("steps", steps), ("tokens", tokens))
    return tuple(Doubling("batch", "to the same loss", at, of, Estimate(float(ratio) - 1)) for of, ratio in pairs)


def _place(source: Source) -> dict[str, float]:
    """Inputs at which the law is read."""
    assert source.law is not None
    if missing := [name for name in source.law.inputs if name not in source.input_ranges]:
        raise HarnessError(
            f"{source.name} does not say what {', '.join(missing)} its runs span: doubling needs a place"
        )
    largest = {name: source.input_ranges[name][1] for name in source.law.inputs}
    if set(largest) == set(SIX_ND_INPUTS) and source.has_optimum and "C" in source.input_ranges:
        best = source.optimal({k: np.array(v) for k, v in source.values.items()}, np.array(source.input_ranges["C"][1]))
        return {"N": float(best.n_params), "D": float(best.n_tokens)}
    return largest


def _change(source: Source, place: Mapping[str, float], doubled: tuple[str, ...]) -> Estimate:
    law = source.law
    assert law is not None
    after = {name: 2 * value if name in doubled else value for name, value in place.items()}

    def change(params: Mapping[str, Array] | Mapping[str, float]) -> Array:
        return law.predict(params, **after) / law.predict(params, **place) - 1

    return _estimate(change(source.values), change(source.draws) if source.draws else None)


def _at_best(source: Source) -> Estimate:
    flops = source.input_ranges["C"][1]

    def change(params: Mapping[str, Array]) -> Array:
        once, twice = (source.optimal(params, np.array(flops * factor)).loss_nats for factor in (1, 2))
        return twice / once - 1

    point = {name: np.array(value) for name, value in source.values.items()}
    return _estimate(change(point), change(source.draws) if source.draws else None)


def _estimate(value: Array, draws: Array | None) -> Estimate:
    return Estimate.from_draws(float(value), np.array([]) if draws is None else draws)
