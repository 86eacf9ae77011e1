"""Sweeps drawn from a known law: what the fitters are tested and their intervals calibrated on."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.laws.chinchilla import chinchilla


def isoflop(
    params: Mapping[str, float],
    budgets: Sequence[float],
    *,
    noise: float = 0.005,
    seeds: int = 3,
    n_sizes: int = 9,
    span: float = 8.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw an IsoFLOP grid of runs, each budget's sizes centred on its optimum.

    Parameters
    ----------
    params : mapping
        Parameters of L(N,D) = E + A/N^alpha + B/D^beta.
    budgets : sequence of float
        C in FLOP; D = C / 6N.
    noise : float
        Standard deviation of ln L between seeds.
    seeds : int
        Runs of each (N, D).
    n_sizes : int
        Log-spaced sizes of each budget.
    span : float
        Sizes reach from the optimum / span to the optimum * span.
    seed : int
        Seed of the noise.

    Returns
    -------
    DataFrame
        Columns N, D, C, L, seed; one row a run.
    """
    rng = np.random.default_rng(seed)
    C = np.repeat(np.asarray(budgets, float), n_sizes * seeds)
    steps = np.tile(np.repeat(np.linspace(-1, 1, n_sizes), seeds), len(budgets))
    N = chinchilla.optimal(params, C).n_params * span**steps
    D = C / (6 * N)
    loss = chinchilla.predict(params, N=N, D=D) * np.exp(noise * rng.standard_normal(len(C)))
    labels = np.tile(np.arange(seeds), len(budgets) * n_sizes)
    return pd.DataFrame({"N": N, "D": D, "C": C, "L": loss, "seed": labels})
