"""The noise that intervals are made of, drawn once and shared by everything compared.

A designed grid has few seeds a cell. Drawing seeds again within cells understates their spread (two
seeds: by half), and drawing whole cells again breaks the grid. So each resample adds new noise to every
cell: the pooled spread of seeds over all cells, or the scatter about the smooth fit where that is
larger (a cell may be off for reasons that all its seeds share). That spread is itself an estimate, so
each resample draws its own by the chi-square law of its degrees of freedom. All approaches see the same
draws, which gives the differences between them intervals too.
"""

import numpy as np
import pandas as pd

from analysis.cells import SeedNoise
from analysis.laws import Array


def unit_draws(n_cells: int, resamples: int, dof: int, rng: np.random.Generator) -> Array:
    """Noise of unit scale for every resample and cell, (K, cells): Student-t with shared denominator."""
    normal = rng.standard_normal((resamples, n_cells))
    if dof < 1:
        return normal
    return normal * np.sqrt(dof / rng.chisquare(dof, size=(resamples, 1)))


def cell_sd(cells: pd.DataFrame, noise: SeedNoise | None, scatter_rms: float) -> Array:
    """Standard deviation of each cell's ln L: seed noise of its mean, scaled up to the scatter.

    Parameters
    ----------
    cells : DataFrame
        Of `design_cells`.
    noise : SeedNoise or None
        None where nothing was replicated: the scatter is all there is.
    scatter_rms : float
        Root mean square of ln L about the method's own smooth fit, degrees of freedom allowed for.

    Returns
    -------
    array (cells,)
    """
    if noise is None:
        return np.full(len(cells), scatter_rms)
    sd = noise.at(cells.N.to_numpy()) / np.sqrt(cells.n_seeds.to_numpy())
    implied = np.sqrt((sd**2).mean())
    return sd * max(1.0, scatter_rms / implied) if implied > 0 else np.full(len(cells), scatter_rms)
