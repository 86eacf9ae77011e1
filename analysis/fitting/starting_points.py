"""Starting points: a grid over what is not linear, the linear part solved (variable projection).

Shapes: K points of the grid, P parameters, T terms with a coefficient, n rows.
"""

from collections.abc import Mapping
from itertools import product

import numpy as np

from analysis.arrays import Array, Rows
from analysis.fitting.objective import Objective
from analysis.laws.batched_law import PowerSum
from analysis.laws.law import Law

EXPONENT_GRID = (0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.9, 1.3)
OFFSET_GRID = (0.0, 0.3, 0.6, 0.8, 0.95)  # of the smallest loss
OUTER_GRID = (0.1, 0.3, 1.0)
REPEAT_GRID = (2.0, 8.0, 30.0)
SMALLEST_SHARE = 1e-4  # of the loss: what a coefficient that came out negative is set to
SCREEN_ROWS = 500


def grid_starts(model: PowerSum, log_loss: Array, objective: Objective, n_starts: int) -> Array:
    """The best internal vectors of a grid, by the objective with a wide threshold.

    Parameters
    ----------
    model : PowerSum
        The law on the rows.
    log_loss : array (n,)
        ln L.
    objective : Objective
        Its residual is used, its threshold is not.
    n_starts : int
        How many to return; fewer if the grid is smaller.

    Returns
    -------
    array (K, P)
    """
    low, high = model.bounds(float(np.exp(log_loss.min())))
    rows = np.unique(np.linspace(0, model.n_rows - 1, SCREEN_ROWS).astype(int))
    candidates = np.clip(_candidates(model, log_loss, rows), low, high)
    wide = Objective(objective.residual, delta=0.1)
    small = model.subset(rows)
    residuals = wide.residuals(small.evaluate(candidates).log_loss_Kn, log_loss[rows])
    order = np.argsort(wide.value(residuals, np.ones(len(rows))), kind="stable")
    return candidates[order[:n_starts]]


def _candidates(model: PowerSum, log_loss: Array, rows: Rows) -> Array:
    """Internal vectors of the whole grid."""
    law, loss = model.law, np.exp(log_loss[rows])
    small = model.subset(rows)
    offsets = OFFSET_GRID if law.offset else (0.0,)
    if law.offset and law.offset in law.fixed:
        offsets = (law.fixed[law.offset] / loss.min(),)
    axes = {name: _within(law, name) for name in law.exponents}
    axes |= {name: OUTER_GRID for name in (law.outer,) if name}
    axes |= dict.fromkeys(law.repeats or (), REPEAT_GRID)
    axes |= {name: tuple(own.starts(loss)) for name, own in law.own.items()}
    axes |= {name: (value,) for name, value in law.fixed.items() if name in axes}
    grid = np.array(list(product(offsets, *axes.values())))
    return _solve_linear(small, loss, grid[:, 0] * loss.min(), dict(zip(axes, grid[:, 1:].T, strict=True)))


def _within(law: Law, name: str) -> tuple[float, ...]:
    """Grid values of an exponent inside its bounds, both signs if the bounds allow it."""
    low, high = law.bounds.get(name, (0.0, np.inf))
    both = EXPONENT_GRID if low >= 0 else (*(-x for x in EXPONENT_GRID[1::2]), *EXPONENT_GRID[1::2])
    return tuple(x for x in both if low <= x <= high)


def _solve_linear(model: PowerSum, loss: Array, irreducible_K: Array, given: Mapping[str, Array]) -> Array:
    """Coefficients by least squares on relative residuals; E, k, exponents and scales given, of K points at once."""
    law, z_KP = model.law, np.zeros((len(irreducible_K), model.n_params))
    for name, value_K in given.items():
        z_KP[:, model.position[name]] = np.log(value_K) if name in law.positive else value_K
    if law.offset:
        z_KP[:, model.position[law.offset]] = np.log(np.maximum(irreducible_K, 1e-3 * loss.min()))
    if not law.terms:
        return z_KP
    log_columns_TKn = np.stack(model.log_terms(z_KP)[: len(law.terms)])
    reducible_Kn = np.maximum(_reducible(law, loss, irreducible_K, given), SMALLEST_SHARE * loss)
    outer_K = given.get(law.outer or "", np.ones(len(irreducible_K)))
    columns_KTn = np.moveaxis(np.exp(log_columns_TKn) / reducible_Kn ** (1 / outer_K[:, None]), 0, 1)
    gram_KTT = columns_KTn @ np.moveaxis(columns_KTn, 1, 2)
    gram_KTT += 1e-9 * np.eye(len(law.terms)) * (columns_KTn**2).sum((1, 2))[:, None, None]
    solved_KT = np.linalg.solve(gram_KTT, columns_KTn.sum(axis=2)[:, :, None])[:, :, 0]
    floor_KT = SMALLEST_SHARE / columns_KTn.mean(axis=2)
    z_KP[:, [model.position[name] for name in law.coefficients]] = np.log(np.maximum(solved_KT, floor_KT))
    return z_KP


def _reducible(law: Law, loss: Array, irreducible_K: Array, given: Mapping[str, Array]) -> Array:
    """What the terms must add up to, (K, n); negative where E is held above a loss."""
    if law.form is None or law.form.as_sum is None:
        return loss - irreducible_K[:, None]
    own = {name: given[name][:, None] for name in law.own}
    return law.form.as_sum(loss, own) - law.form.as_sum(irreducible_K[:, None], own)
