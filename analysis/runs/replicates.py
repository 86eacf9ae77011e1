"""Seeds grouped into design cells (same N and D), and what their spread says about noise."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import digamma, polygamma

from analysis.arrays import Array
from analysis.tables.separate_rows import SETTING_ID
from scaling_harness.errors import UserError

TREND_DOF = 12  # replicates' degrees of freedom from which a trend in the noise is looked for
TREND_Z = 2.5
FALL_WITH_COMPUTE = -0.39
"""d ln sd / d ln D between seeds over the sweep `lr-batch`: .43 % at D = 3e5, .25 % at 1.2e6 (sweeps/README.md)."""


@dataclass(frozen=True)
class SeedNoise:
    """Standard deviation of ln L between seeds of one cell.

    Attributes
    ----------
    sd : float
        Pooled over cells (relative spread of the loss).
    dof : int
        Degrees of freedom it rests on: the sum of seeds - 1.
    slope : float
        d ln sd / d ln N if the replicates show one, else 0; along another column, ``along``, if one is assumed.
    log_centre : float
        Logarithm of N, or of that column, at which the trend has the value ``sd_at_centre``.
    sd_at_centre : float
    along : str
    """

    sd: float
    dof: int
    slope: float = 0.0
    log_centre: float = 0.0
    sd_at_centre: float = 0.0
    along: str = "N"

    def at(self, n_params: Array) -> Array:
        """Standard deviation for runs of these sizes; of these values of ``along``, if that is another column."""
        if self.slope == 0.0:
            return np.full(len(n_params), self.sd)
        return self.sd_at_centre * np.exp(self.slope * (np.log(n_params) - self.log_centre))

    def of_runs(self, frame: pd.DataFrame) -> Array:
        """Standard deviation of one run of each row."""
        return self.at(frame[self.along].to_numpy(float))


def design_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Average the seeds of each (N, D), and of each setting where those of one (N, D) differ (column setting_id).

    Parameters
    ----------
    frame : DataFrame
        Columns N, D, C, L; one row a run.

    Returns
    -------
    DataFrame
        One row a cell: N, D, C, log_loss (mean of ln L), L (its exponential), n_seeds, sd_log
        (between seeds; NaN for one), sorted by C and N.

    Raises
    ------
    UserError
        One of N, D and C is not there.
    """
    if missing := [name for name in ("N", "D", "C") if name not in frame]:
        raise UserError(f"the table has no column {', '.join(missing)}: name it with --columns, as in N=params")
    log_loss = np.log(frame["L"].astype(float))
    grouped = frame.assign(log_loss=log_loss).groupby(_cell_columns(frame), as_index=False)
    cells = grouped.agg(
        C=("C", "mean"), log_loss=("log_loss", "mean"), n_seeds=("log_loss", "size"), sd_log=("log_loss", "std")
    )
    return cells.assign(L=np.exp(cells.log_loss)).sort_values(["C", "N"], ignore_index=True)


def _cell_columns(frame: pd.DataFrame) -> list[str]:
    return ["N", "D", *([SETTING_ID] if SETTING_ID in frame else [])]


def seed_noise(cells: pd.DataFrame) -> SeedNoise | None:
    """Pool the spread of replicated cells; None if no cell has two seeds."""
    replicated = cells[cells.n_seeds > 1]
    dof = (replicated.n_seeds - 1).to_numpy()
    if dof.sum() == 0:
        return None
    variance = replicated.sd_log.to_numpy() ** 2
    pooled = float(np.sqrt((dof * variance).sum() / dof.sum()))
    plain = SeedNoise(pooled, int(dof.sum()))
    if dof.sum() < TREND_DOF or (variance <= 0).any():
        return plain
    return _with_trend(plain, np.log(replicated.N.to_numpy()), variance, dof)


def _with_trend(plain: SeedNoise, log_n: Array, variance: Array, dof: Array) -> SeedNoise:
    """Weighted line through ln s^2 against ln N; ln of a chi-square has known mean and variance."""
    half = dof / 2
    log_variance = np.log(variance) - (digamma(half) - np.log(half))
    weight = 1 / polygamma(1, half)
    centre = float((weight * log_n).sum() / weight.sum())
    spread = (weight * (log_n - centre) ** 2).sum()
    if spread == 0.0:
        return plain
    slope = float((weight * (log_n - centre) * log_variance).sum() / spread)
    if abs(slope) * np.sqrt(spread) < TREND_Z:
        return plain
    level = float((weight * log_variance).sum() / weight.sum())
    return SeedNoise(plain.sd, plain.dof, slope / 2, centre, float(np.exp(level / 2)))


def falling_noise(cells: pd.DataFrame, along: str, pooled: SeedNoise, slope: float = FALL_WITH_COMPUTE) -> SeedNoise:
    """Pool the spread of replicated cells under a slope that is assumed, not fitted.

    Parameters
    ----------
    cells : DataFrame
        From `design_cells`.
    along : str
        Column that the noise falls with: D or C.
    pooled : SeedNoise
        From `seed_noise` of the same cells.
    slope : float
        d ln sd / d ln of that column.

    Returns
    -------
    SeedNoise
    """
    replicated = cells[cells.n_seeds > 1]
    dof = (replicated.n_seeds - 1).to_numpy()
    log_x: Array = np.log(np.asarray(replicated[along], float))
    centre = float((dof * log_x).sum() / dof.sum())
    variance = np.asarray(replicated.sd_log) ** 2 * np.exp(-2 * slope * (log_x - centre))
    level = float(np.sqrt((dof * variance).sum() / dof.sum()))
    return SeedNoise(pooled.sd, pooled.dof, slope, centre, level, along)
