"""Sweeps with a known truth on which intervals are measured; fixed before the first measurement."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.runs.curves import Points

CURVE_START, CURVE_POINTS = 0.005, 40

Noise = Callable[[np.random.Generator, int], Array]


@dataclass(frozen=True)
class Scenario:
    """One design, one truth, one law of the noise of ln L.

    Attributes
    ----------
    name, describes : str
    truth : mapping
        Parameters of Chinchilla's law.
    design : DataFrame
        N and D, one row a run, the same in every sweep.
    noise : callable
        (generator, n) -> noise of ln L.
    is_grid : bool
        Whether the design is budgets times sizes.
    """

    name: str
    describes: str
    truth: Mapping[str, float]
    design: pd.DataFrame
    noise: Noise
    is_grid: bool = True

    @property
    def target_flops(self) -> float:
        """Ten times the largest budget of the design."""
        return float(10 * 6 * (self.design.N * self.design.D).max())

    def sweep(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw one sweep: N, D, C and L."""
        frame = self.design.assign(C=6 * self.design.N * self.design.D)
        loss = chinchilla.predict(self.truth, N=frame.N, D=frame.D)
        return frame.assign(L=loss * np.exp(self.noise(rng, len(frame))))

    def curves(self, sweep: pd.DataFrame) -> dict[object, Points]:
        """Losses of each run of a sweep at fewer tokens, by its index: the truth there with the noise of its end."""
        curves: dict[object, Points] = {}
        noise = sweep.L / chinchilla.predict(self.truth, N=sweep.N, D=sweep.D)
        for index, n_params, n_tokens, factor in zip(sweep.index, sweep.N, sweep.D, noise, strict=True):
            tokens = n_tokens * np.geomspace(CURVE_START, 1.0, CURVE_POINTS)
            curves[index] = tokens, factor * chinchilla.predict(self.truth, N=n_params, D=tokens)
        return curves


def _scattered(n_runs: int, seed: int) -> pd.DataFrame:
    """Runs spread over N, D and C like the 240 that Besiroglu et al. read off Hoffmann et al.'s figure 4."""
    rng = np.random.default_rng(seed)
    many = np.exp(rng.uniform(np.log([6e7, 8e8]), np.log([1.6e10, 3e11]), (20 * n_runs, 2)))
    flops = 6 * many.prod(axis=1)
    return pd.DataFrame(many[(flops > 1.4e18) & (flops < 1.3e22)][:n_runs], columns=["N", "D"])


def _grid(truth: Mapping[str, float], budgets: Array, n_sizes: int, span: float, seeds: int) -> pd.DataFrame:
    """N and D of an IsoFLOP grid centred on the truth's optimum."""
    frame = simulate.isoflop(truth, budgets.tolist(), n_sizes=n_sizes, span=span, seeds=seeds)
    return pd.DataFrame({"N": frame.N, "D": frame.D})


def _normal(sd: float) -> Noise:
    return lambda rng, n: sd * rng.standard_normal(n)


def _heavy(scale: float, dof: float) -> Noise:
    return lambda rng, n: scale * rng.standard_t(dof, n)


EPOCH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
SMALL = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
ASYMMETRIC = {"E": 1.69, "A": 400.0, "B": 400.0, "alpha": 0.465, "beta": 0.155}

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "hoffmann",
            "240 runs, Besiroglu et al.'s constants, Student-t noise (3 degrees of freedom) as wide as their residuals",
            EPOCH,
            _scattered(240, seed=240),
            _heavy(0.0042, 3.0),
            is_grid=False,
        ),
        Scenario(
            "isoflop",
            "5 budgets of 3e11 to 3e13 FLOP, 7 sizes, 2 seeds, normal noise of 0.5 %",
            SMALL,
            _grid(SMALL, np.geomspace(3e11, 3e13, 5), n_sizes=7, span=6.0, seeds=2),
            _normal(0.005),
        ),
        Scenario(
            "asymmetric",
            "alpha 0.465, beta 0.155: 5 budgets of 1e17 to 1e21 FLOP, 15 sizes, 1 seed, normal noise of 0.5 %",
            ASYMMETRIC,
            _grid(ASYMMETRIC, np.geomspace(1e17, 1e21, 5), n_sizes=15, span=8.0, seeds=1),
            _normal(0.005),
        ),
    )
}
