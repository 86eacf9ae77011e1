"""Steps and tokens that runs of several batches take to reach given losses, at the best rate of each batch."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.hyperparameters.optima import numbers_in
from analysis.runs.curves import Points
from analysis.runs.selection import Runs
from scaling_harness.errors import HarnessError, UserError

N_TARGETS = 6
SHARE = 0.7  # of the way, in ln L, from the lowest loss that all batches reach back to the first that was measured


def steps_to_loss(runs: Runs, curves: Mapping[object, Points], targets: Sequence[float] | None = None) -> pd.DataFrame:
    """Find when the runs of each size and batch first reach each loss.

    Parameters
    ----------
    runs : Runs
        Completed runs that differ in batch, and perhaps in learning rate and seed.
    curves : mapping
        From `curves.curves_of`.
    targets : sequence of float, optional
        Losses in nats per token; by default `N_TARGETS` that the runs of all batches of a size reach.

    Returns
    -------
    DataFrame
        A row a size, target and batch: N, L, B (tokens a step), S (steps), E (tokens), lr (of fewest steps), n_rates,
        n_seeds, and ``problem``: None, or why S is not known, or no more than an upper bound.

    Raises
    ------
    UserError
        Runs without a batch or of one alone, or targets that are not positive.
    HarnessError
        Runs without training curves.
    """
    frame = _with_batches(runs, curves)
    given = None if targets is None else sorted({float(target) for target in targets}, reverse=True)
    if given is not None and not (given and min(given) > 0):
        raise UserError("target losses must be positive numbers, in nats per token")
    rows = [
        _cell(cell, curves, target) | {"N": n_params, "B": batch, "L": target}
        for n_params, size in frame.groupby("N")
        for target in given or _reached_by_all(size, curves)
        for batch, cell in size.groupby("B")
    ]
    return pd.DataFrame(rows, columns=["N", "L", "B", "S", "E", "lr", "n_rates", "n_seeds", "problem"])


def first_reach(points: Points, target: float) -> float | str:
    """Tokens at which a curve first has a loss, interpolated in the logs between evaluations; or why it has not."""
    tokens, loss = points
    below = np.flatnonzero(loss <= target)
    if not len(below):
        return f"not reached: the lowest loss is {loss.min():.4g}"
    if (i := int(below[0])) == 0:
        return f"reached before the first evaluation, which has {loss[0]:.4g}"
    share = np.log(loss[i - 1] / target) / np.log(loss[i - 1] / loss[i])
    return float(tokens[i - 1] * (tokens[i] / tokens[i - 1]) ** share)


def _with_batches(runs: Runs, curves: Mapping[object, Points]) -> pd.DataFrame:
    """The runs that have a curve, with B and numbers for the rate."""
    frame = runs.frame
    if "batch_tokens" not in frame:
        raise UserError("these runs have no batch_tokens: steps against the batch need the records of a sweep")
    if len(batches := np.unique(frame["batch_tokens"])) < 2:
        raise UserError(f"all runs have {batches[0]:g} tokens a step: steps against the batch need runs of several")
    frame = frame.loc[[index in curves for index in frame.index]]
    if frame.empty:
        raise HarnessError("no run has a training curve: steps to a loss are read from curves")
    rate = numbers_in(frame, ["lr"])["lr"] if "lr" in frame else 0.0
    return frame.assign(B=frame["batch_tokens"].astype(float), lr=rate)


def _reached_by_all(size: pd.DataFrame, curves: Mapping[object, Points]) -> list[float]:
    """Losses between the last that a run of every batch reaches and the first evaluations."""
    lowest = max(min(curves[index][1].min() for index in cell.index) for _, cell in size.groupby("B"))
    first = min(curves[index][1][0] for index in size.index)
    if lowest >= first:
        return [float(lowest)]
    highest = lowest * (first / lowest) ** SHARE
    return np.geomspace(highest, lowest * (1 + 1e-12), N_TARGETS).tolist()


def _cell(cell: pd.DataFrame, curves: Mapping[object, Points], target: float) -> dict[str, object]:
    """Steps of one batch at its best rate, geometric mean over seeds."""
    batch = float(cell["B"].iloc[0])
    reached: dict[float, Array] = {}
    reasons: list[str] = []
    for rate, runs in cell.groupby("lr"):
        tokens = [first_reach(curves[index], target) for index in runs.index]
        failed = [each for each in tokens if isinstance(each, str)]
        reasons += failed
        if not failed:
            reached[float(str(rate))] = np.array(tokens, float)
    rates = np.unique(cell["lr"].to_numpy(float))
    row: dict[str, object] = {"S": np.nan, "E": np.nan, "lr": np.nan, "n_rates": len(rates), "n_seeds": 0}
    if not reached:
        return row | {"problem": reasons[0]}
    best = min(reached, key=lambda rate: float(np.log(reached[rate]).mean()))
    tokens = float(np.exp(np.log(reached[best]).mean()))
    found = {"S": tokens / batch, "E": tokens, "lr": best, "n_seeds": len(reached[best])}
    return row | found | {"problem": _edge(rates, best)}


def _edge(rates: Array, best: float) -> str | None:
    """Why the steps of a searched rate are only an upper bound."""
    if len(rates) == 1 or rates[0] < best < rates[-1]:
        return None
    side = "lowest" if best == rates[0] else "highest"
    return f"an upper bound: the best rate, {best:g}, is the {side} of {len(rates)} tried"
