"""A value with its error and interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

CI_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and 95 % interval (None if no resampling was asked for)."""

    value: float
    stderr: float | None = None
    ci95: tuple[float, float] | None = None

    @classmethod
    def from_draws(cls, value: float, draws: ArrayLike) -> "Estimate":
        """Percentile interval of resampled values; draws that are not finite are left out.

        There is no standard error if the draws are too far apart for one (G of a fit that is hardly identified).
        """
        kept = np.asarray(draws, float)
        kept = kept[np.isfinite(kept)]
        if len(kept) < 2:
            return cls(float(value))
        tail = 50 * (1 - CI_LEVEL)
        low, high = np.percentile(kept, [tail, 100 - tail])
        with np.errstate(over="ignore"):
            stderr = float(kept.std(ddof=1))
        return cls(float(value), stderr if np.isfinite(stderr) else None, (float(low), float(high)))

    @classmethod
    def of_mean(cls, values: ArrayLike) -> "Estimate":
        """Mean of a sample with Student's interval; the mean alone if there is one value."""
        sample = np.asarray(values, float)
        if len(sample) < 2:
            return cls(float(sample.mean()))
        mean, stderr = float(sample.mean()), float(sample.std(ddof=1) / len(sample) ** 0.5)
        half = float(stdtrit(len(sample) - 1, (1 + CI_LEVEL) / 2)) * stderr
        return cls(mean, stderr, (mean - half, mean + half))

    @classmethod
    def of_slope(cls, x: ArrayLike, y: ArrayLike) -> "Estimate":
        """Slope of a least-squares line with Student's interval; the slope alone if there are two points."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        centred, dof = x - x.mean(), len(x) - 2
        slope = float(centred @ y / (centred @ centred))
        if dof < 1:
            return cls(slope)
        squares = float(((y - y.mean() - slope * centred) ** 2).sum())
        stderr = float((squares / dof / (centred @ centred)) ** 0.5)
        half = float(stdtrit(dof, (1 + CI_LEVEL) / 2)) * stderr
        return cls(slope, stderr, (slope - half, slope + half))

    def __format__(self, spec: str) -> str:
        """The value and its interval, each number by the format: f"{a:.2f}" is "0.51 [0.48, 0.54]"."""
        if not np.isfinite(self.value):
            return "–"
        ends = "" if self.ci95 is None else f" [{self.ci95[0]:{spec}}, {self.ci95[1]:{spec}}]"
        return f"{self.value:{spec}}{ends}"

    def __str__(self) -> str:
        return f"{self:.5g}"
