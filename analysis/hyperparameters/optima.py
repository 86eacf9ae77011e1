"""The best learning rate and batch of each (N, D): quadratics in the logs, and power laws through their minima."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.hyperparameters.power_law_nd import PowerLaw, power_law
from analysis.runs.budgets import budget_groups
from scaling_harness.errors import UserError

SETTINGS = {"lr": "optim.lr", "batch_tokens": "budget.batch_tokens"}
"""Columns of runs, and the science fields they come from."""
SAME_HORIZON = 0.05  # relative: whole steps of several batches make D differ a little


@dataclass(frozen=True)
class Best:
    """The best value of one setting at one (N, D).

    Attributes
    ----------
    value : float
        The minimum of the quadratic; the best value tried if there is none.
    log_stderr : float or None
        Standard error of ln value; None without replicates, or without a minimum.
    problem : str or None
        Why there is no minimum.
    """

    value: float
    log_stderr: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class BestSettings:
    """Best settings at one (N, D) and the loss there (geometric mean over seeds)."""

    n_params: float
    n_tokens: float
    n_runs: int
    best: Mapping[str, Best]
    loss_nats: float


@dataclass(frozen=True)
class Rules:
    """Optima of a sweep, and a power law in N and D for each setting or the reason why there is none."""

    optima: tuple[BestSettings, ...]
    laws: Mapping[str, PowerLaw]
    reasons: Mapping[str, str]


def find_rules(frame: pd.DataFrame) -> Rules:
    """Find the best settings of every (N, D), and how they move.

    Parameters
    ----------
    frame : DataFrame
        Completed runs: N, D, L, lr, batch_tokens, seed.

    Returns
    -------
    Rules
        A setting whose best value lies at the edge of those tried has no minimum there; its law goes through the
        cells that have one.
    """
    local = [_Local.of(cell) for cell in _cells(_with_settings(frame))]
    dof = sum(each.dof for each in local)
    variance = sum(each.squares for each in local) / dof if dof else None
    optima = tuple(each.optimum(variance) for each in local)
    laws, reasons = {}, {}
    for name in (n for n in SETTINGS if any(n in optimum.best for optimum in optima)):
        bracketed = [o for o in optima if name in o.best and o.best[name].problem is None]
        law = power_law(
            [(o.n_params, o.n_tokens) for o in bracketed],
            [o.best[name].value for o in bracketed],
            [o.best[name].log_stderr or 0.0 for o in bracketed],
        )
        if isinstance(law, PowerLaw):
            laws[name] = law
        else:
            reasons[name] = _why(law, name, optima)
    return Rules(optima, laws, reasons)


def _with_settings(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs of a table with settings and seeds as numbers; what it does not have is one value."""
    given = [name for name in SETTINGS if name in frame]
    if not given:
        raise UserError("these runs have neither lr nor batch_tokens: name them with --columns lr=...,batch_tokens=...")
    numbers = numbers_in(frame, given)
    seeds = pd.factorize(frame["seed"].map(str))[0] if "seed" in frame else 0
    return frame.assign(**dict.fromkeys(SETTINGS, 1.0) | numbers, seed=seeds)


def numbers_in(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Array]:
    """Columns of positive numbers, which those of a table need not be.

    Raises
    ------
    UserError
        A value is no positive number.
    """
    numbers = {name: np.asarray(pd.to_numeric(frame[name], errors="coerce"), float) for name in names}
    for name, values in numbers.items():
        if bad := int((~(values > 0)).sum()):
            raise UserError(f"{bad} runs have a {name} that is not a positive number: drop them")
    return numbers


def _why(reason: str, name: str, optima: Sequence[BestSettings]) -> str:
    problems = [o.best[name].problem for o in optima if name in o.best]
    told = [f"{problem} at {problems.count(problem)}" for problem in dict.fromkeys(problems) if problem]
    return f"{reason}; of {len(problems)} (N, D), {'; '.join(told)}" if told else reason


def _cells(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Runs of one N and D, by size and horizon."""
    for _, size in frame.groupby("N"):
        for rows in budget_groups(size.D.to_numpy(), SAME_HORIZON):
            yield size.iloc[rows]


@dataclass(frozen=True)
class _Local:
    """A quadratic in the logs around the best value of each setting, one offset a seed.

    ``centre`` is the best combination tried, ``free`` the settings that have worse values on both sides of it,
    ``problems`` says of each other why it has not. The logs x are relative to the centre.
    """

    cell: pd.DataFrame
    centre: Mapping[str, float]
    free: tuple[str, ...]
    problems: Mapping[str, str]
    coefficients: Array
    cov: Array
    """Covariance of the coefficients for unit variance."""
    reach: Array
    """Lowest and highest x of each free setting, (F, 2)."""
    squares: float
    dof: int

    @classmethod
    def of(cls, cell: pd.DataFrame) -> "_Local":
        """Fit the neighbourhood of the best combination of a cell."""
        axes = [name for name in SETTINGS if len(np.unique(cell[name])) > 1]
        centre = _best_tried(cell, axes)
        problems, kept = {}, np.ones(len(cell), bool)
        for name in axes:
            beside, problem = _neighbours(cell, axes, name, centre)
            kept &= np.isin(cell[name], beside)
            problems |= {name: problem} if problem else {}
        free = tuple(name for name in axes if name not in problems)
        near = cell.iloc[np.flatnonzero(kept)]
        x_nF = np.log(near[list(free)].to_numpy(float) / [centre[name] for name in free])
        X = np.hstack([_terms(x_nF), (near.seed.to_numpy()[:, None] == np.unique(near.seed)).astype(float)])
        y = np.log(near.L.to_numpy(float))
        cov = np.asarray(np.linalg.pinv(X.T @ X), np.float64)
        coefficients = cov @ X.T @ y
        dof = len(y) - int(np.linalg.matrix_rank(X))
        squares = float(((y - X @ coefficients) ** 2).sum()) if dof else 0.0
        reach = np.stack([x_nF.min(axis=0), x_nF.max(axis=0)], axis=1)
        return cls(cell, centre, free, problems, coefficients, cov, reach, squares, dof)

    def optimum(self, variance: float | None) -> BestSettings:
        """The minimum, with standard errors of the residual variance pooled over all cells."""
        place, problem = self._vertex()
        best = {name: Best(value, problem=self.problems.get(name)) for name, value in self.centre.items()}
        if problem is None:
            errors = self._errors(place, variance)
            for name, x, error in zip(self.free, place, errors, strict=True):
                best[name] = Best(float(self.centre[name] * np.exp(x)), error)
        else:
            best |= {name: Best(self.centre[name], problem=problem) for name in self.free}
        n_terms = _terms(place[None]).shape[1]
        log_loss = float(_terms(place[None])[0] @ self.coefficients[:n_terms] + self.coefficients[n_terms:].mean())
        first = self.cell.iloc[0]
        return BestSettings(float(first.N), float(self.cell.D.mean()), len(self.cell), best, float(np.exp(log_loss)))

    def _vertex(self) -> tuple[Array, str | None]:
        """Place of the minimum; the centre and the reason if the quadratic has none within its runs."""
        n, nowhere = len(self.free), np.zeros(len(self.free))
        slope, curvature = self.coefficients[:n], _hessian(self.coefficients, n)
        if n and np.linalg.eigvalsh(curvature).min() <= 0:
            return nowhere, "the quadratic has no minimum"
        place = -np.asarray(np.linalg.solve(curvature, slope), np.float64) if n else nowhere
        if ((place < self.reach[:, 0]) | (place > self.reach[:, 1])).any():
            return nowhere, "the quadratic has its minimum outside of the values tried"
        return place, None

    def _errors(self, place: Array, variance: float | None) -> list[float | None]:
        """Delta method: the minimum moves by -H^-1 grad phi(place) a unit of phi's coefficient."""
        n = len(self.free)
        if variance is None or not n:
            return [None] * n
        step = 1e-6 * np.eye(n)
        gradients_FP = (_terms(place + step) - _terms(place - step)) / 2e-6
        moves_FP = -np.linalg.solve(_hessian(self.coefficients, n), gradients_FP)
        n_terms = gradients_FP.shape[1]
        cov = variance * self.cov[:n_terms, :n_terms]
        return [float(error) for error in np.sqrt(np.diag(moves_FP @ cov @ moves_FP.T))]


def _best_tried(cell: pd.DataFrame, axes: list[str]) -> dict[str, float]:
    """The combination of lowest loss, mean over the seeds that all combinations of most seeds have."""
    if not axes:
        return {}
    log_loss = np.log(cell.L.astype(float)).groupby([cell[name] for name in axes])
    means, sizes = log_loss.mean(), log_loss.size()
    key = means[sizes == sizes.max()].idxmin()
    return dict(zip(axes, map(float, key if isinstance(key, tuple) else (key,)), strict=True))


def _neighbours(
    cell: pd.DataFrame, axes: list[str], name: str, centre: Mapping[str, float]
) -> tuple[list[float], str | None]:
    """The best value of a setting and those next to it; the best alone, with the reason, at an edge."""
    others = [np.asarray(cell[other]) == centre[other] for other in axes if other != name]
    along = np.logical_and.reduce(others) if others else np.ones(len(cell), bool)
    levels = np.unique(np.asarray(cell[name], float)[along]).tolist()
    i = levels.index(centre[name])
    if i in (0, len(levels) - 1):
        side = "lowest" if i == 0 else "highest"
        return [centre[name]], f"the {side} tried, {centre[name]:g}, is best"
    return levels[i - 1 : i + 2], None


def _terms(x_nF: Array) -> Array:
    """Columns x_i, then x_i x_j for i <= j."""
    n = x_nF.shape[1]
    products = [x_nF[:, i] * x_nF[:, j] for i, j in itertools.combinations_with_replacement(range(n), 2)]
    return np.column_stack([x_nF, *products]) if n else np.empty((len(x_nF), 0))


def _hessian(coefficients: Array, n: int) -> Array:
    """Second derivatives of the terms of `_terms` with their coefficients, (n, n)."""
    H = np.zeros((n, n))
    for k, (i, j) in enumerate(itertools.combinations_with_replacement(range(n), 2)):
        H[i, j] += coefficients[n + k]
        H[j, i] += coefficients[n + k]
    return H
