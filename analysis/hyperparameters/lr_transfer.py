"""What a learning rate found at the smallest width costs at larger ones: the transfer regret, by seeds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.fitting.estimate import Estimate
from scaling_harness.errors import HarnessError

MIN_SEEDS = 2


@dataclass(frozen=True)
class Transfer:
    """One width and horizon against the smallest width.

    Attributes
    ----------
    d_model : int
    n_tokens : int
        D.
    n_seeds : int
    lr_smallest, lr_own : float
        Best of those tried at the smallest width and at this one, by the mean of ln L over seeds.
    loss_smallest, loss_own : float or None
        Loss here at both (geometric mean over seeds); None if no run of that rate is complete.
    regret : Estimate or None
        ln of the ratio of both losses: the share of the loss that is lost. Each seed is judged by rates that the other
        seeds chose, else the rate chosen here would have the luck of its own runs; Student's interval over seeds.
    problem : str or None
        Why there is no regret, or that a best rate lies at the edge of those tried.
    """

    d_model: int
    n_tokens: int
    n_seeds: int
    lr_smallest: float
    lr_own: float
    loss_smallest: float | None
    loss_own: float
    regret: Estimate | None
    problem: str | None


def transfers(frame: pd.DataFrame) -> tuple[Transfer, ...]:
    """Regret at every width above the smallest, horizon by horizon.

    Parameters
    ----------
    frame : DataFrame
        Completed runs: d_model, n_tokens, lr, seed, L; the same rates and seeds at every width, less those that failed.

    Returns
    -------
    tuple of Transfer

    Raises
    ------
    HarnessError
        No horizon has two widths, or a width has one seed or one rate.
    """
    horizons = np.unique(frame["n_tokens"]).tolist()
    compared = tuple(
        one for n_tokens in horizons for one in _at_horizon(n_tokens, frame.loc[frame["n_tokens"] == n_tokens])
    )
    if not compared:
        raise HarnessError("these runs have no horizon (n_tokens) with two widths: there is nothing to transfer to")
    return compared


def _at_horizon(n_tokens: int, runs: pd.DataFrame) -> Iterator[Transfer]:
    widths = np.unique(runs["d_model"]).tolist()
    (smallest, source), *others = [(width, _table(width, runs.loc[runs["d_model"] == width])) for width in widths]
    for width, own in others:
        seeds = own.columns.intersection(source.columns)
        if len(seeds) < MIN_SEEDS:
            raise HarnessError(f"widths {smallest} and {width} share {len(seeds)} seeds: give {MIN_SEEDS} or more")
        yield _compare(width, n_tokens, source.loc[:, seeds], own.loc[:, seeds])


def _table(width: int, rows: pd.DataFrame) -> pd.DataFrame:
    """Ln L by rate and seed; infinite if there is no run, as after a divergence."""
    rates = np.unique(rows["lr"])
    if len(rates) == 1:
        raise HarnessError(f"width {width} has one learning rate, {rates[0]:g}: nothing to choose from")
    table = rows.assign(log_loss=np.log(rows["L"].astype(float))).pivot_table("log_loss", "lr", "seed")
    return table.fillna(np.inf)


def _compare(width: int, n_tokens: int, source: pd.DataFrame, own: pd.DataFrame) -> Transfer:
    lr_smallest, lr_own = _best(source), _best(own)
    here = own.reindex(source.index.union(own.index), fill_value=np.inf)
    regrets = [
        here.at[_best(source.drop(columns=seed)), seed] - here.at[_best(own.drop(columns=seed)), seed]
        for seed in own.columns
    ]
    known = bool(np.isfinite(regrets).all())
    at_smallest = float(here.loc[lr_smallest].mean())
    return Transfer(
        width,
        n_tokens,
        len(own.columns),
        lr_smallest,
        lr_own,
        float(np.exp(at_smallest)) if np.isfinite(at_smallest) else None,
        float(np.exp(here.loc[lr_own].mean())),
        Estimate.of_mean(regrets) if known else None,
        _edges(source, own) if known else f"a run at width {width} with a rate that was best elsewhere is missing",
    )


def _best(table: pd.DataFrame) -> float:
    return float(table.index.to_numpy(float)[np.argmin(table.to_numpy().mean(axis=1))])


def _edges(source: pd.DataFrame, own: pd.DataFrame) -> str | None:
    edges = [
        f"the best rate at {place}, {_best(table):g}, is the {side} tried"
        for place, table in (("the smallest width", source), ("this width", own))
        for side, edge in (("lowest", table.index.min()), ("highest", table.index.max()))
        if _best(table) == edge
    ]
    return "; ".join(edges) or None
