"""The cost model of a table: 6 N D if its C is that, else a smooth C(N, D) fitted to its columns."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from analysis.arrays import Array
from analysis.laws.cost_model import SIX_ND, CostModel
from analysis.runs.budgets import budget_groups

A_FEW_PER_CENT = 0.03  # C nearer to 6 N D than this in every run is 6 N D
GOOD_ENOUGH = 1e-3  # rms error of ln C below which a richer form buys nothing
SCATTER = 0.05  # rms error of ln C above which no smooth form describes it
ANOTHER_UNIT = 10.0  # median C / 6 N D, or its inverse, from which another unit is likelier than another cost
NEAR_UNIT = 1.5
UNITS = {8.64e19: "PF-days", 1e9: "GFLOP", 1e12: "TFLOP", 1e15: "PFLOP", 1e18: "EFLOP", 1e21: "ZFLOP"}
OTHER_COUNTS = {
    1 / 6: "parameters times tokens, without the 6",
    2 / 6: "the forward pass alone",
    3 / 6: "multiply-adds, each of them two FLOP",
    8 / 6: "a forward pass computed twice, as with activation checkpointing",
}
SAME_FACTOR = 0.02
POWERS = np.linspace(0.02, 1.0, 50)  # of the overhead: the best of them is refined


def cost_of(frame: pd.DataFrame) -> CostModel:
    """The cost model of runs.

    Parameters
    ----------
    frame : DataFrame
        N, D and C; without one of them C is 6 N D.

    Returns
    -------
    CostModel
        6 N D if C is within 3 % of it in every run. Otherwise the form of lowest BIC on ln C among 6 N D, k N D,
        6 N D and k N D with an overhead that falls with N, and k N^p D^q, fitted by least squares.
    """
    if not {"N", "D", "C"} <= set(frame):
        return SIX_ND
    N, D, C = (np.asarray(pd.to_numeric(frame[name], errors="coerce"), float) for name in "NDC")
    known = np.all([np.isfinite(x) & (x > 0) for x in (N, D, C)], axis=0)
    n, d, c = (np.log(x[known]) for x in (N, D, C))
    ratio = np.exp(c - np.log(SIX_ND.k) - n - d)
    if not known.any() or np.abs(ratio - 1).max() <= A_FEW_PER_CENT:
        return SIX_ND
    described = [_described(cost, n, d, c) for cost in (SIX_ND, *_fitted(n, d, c))]
    best, _ = min(described, key=lambda each: each[1])
    budgets = _budgets(np.exp(c))
    return replace(best, ratio=(float(ratio.min()), float(ratio.max())), budgets=budgets)


def cost_sentences(cost: CostModel) -> list[str]:
    """What to know of a cost that departs from 6 N D: what it is taken as, with its error; whether it is another unit.

    Parameters
    ----------
    cost : CostModel
        From `cost_of`.

    Returns
    -------
    list of str
        Empty for 6 N D.
    """
    low, high = cost.ratio
    if low == high == 1.0:
        return []
    error = f"rms error {cost.rms_error:.2%}, largest {cost.largest_error:.2%}"
    sentence = f"C is not 6 N D but {low:.3g} to {high:.3g} times it; taken as C = {cost.formula} ({error})"
    if cost.formula == SIX_ND.formula:
        sentence += ": nothing smooth in N and D describes it better; look at the rows that are off"
    elif not cost.proportional:
        sentence += f", and a and b as slopes from {cost.budgets[0]:.3g} to {cost.budgets[-1]:.3g} FLOP"
    scatter = ["C scatters about it: N, D and C of a row do not belong together"] if cost.rms_error > SCATTER else []
    return [sentence, *scatter, *_unit_sentences(cost)]


def _unit_sentences(cost: CostModel) -> list[str]:
    """Whether C is counted in something else than FLOP."""
    ratio = float(np.sqrt(cost.ratio[0] * cost.ratio[1]))
    if 1 / ANOTHER_UNIT < ratio < ANOTHER_UNIT:
        counts = [words for factor, words in OTHER_COUNTS.items() if abs(ratio / factor - 1) < SAME_FACTOR]
        return [f"C = {cost.formula} may be {words}" for words in counts if cost.proportional]
    for unit, words in UNITS.items():
        if 1 / NEAR_UNIT < ratio * unit < NEAR_UNIT:
            return [f"C looks like {words}, {ratio:.3g} of 6 N D: bring it to FLOP with --columns C=COLUMN*{unit:.4g}"]
    return [f"C is {ratio:.3g} times 6 N D: is N, D or C in another unit? bring it to FLOP with --columns C=COLUMN*X"]


def _budgets(train_flops: Array) -> tuple[float, ...]:
    """Mean of each budget; the range if the runs do not come in budgets."""
    means = tuple(float(train_flops[rows].mean()) for rows in budget_groups(train_flops))
    return means if len(means) > 2 else tuple(np.geomspace(train_flops.min(), train_flops.max(), 3).tolist())


def _described(cost: CostModel, n: Array, d: Array, c: Array) -> tuple[CostModel, float]:
    """The cost with its errors on the runs, and its BIC."""
    error = c - np.log(cost.flops(np.exp(n), np.exp(d)))
    rms = float(np.sqrt((error**2).mean()))
    n_free = (cost.k != SIX_ND.k) + 2 * (cost.overhead > 0) + (cost.n_power != 1.0) + (cost.d_power != 1.0)
    bic = len(c) * np.log(rms**2 + GOOD_ENOUGH**2) + n_free * np.log(len(c))
    return replace(cost, rms_error=rms, largest_error=float(np.abs(error).max())), float(bic)


def _fitted(n: Array, d: Array, c: Array) -> list[CostModel]:
    """Every form that these runs are enough for."""
    ratio = c - n - d
    forms = [CostModel(k=float(np.exp(ratio.mean())))]
    if len(np.unique(n)) > 3:
        forms += [form for side in (1, -1) for free in (False, True) if (form := _overhead(n, ratio, side, free))]
    if np.linalg.matrix_rank(X := np.stack([np.ones(len(n)), n - n.mean(), d - d.mean()], axis=1)) == 3:
        level, p, q = np.linalg.lstsq(X, c, rcond=None)[0]
        if p > 0 and q > 0:
            forms.append(CostModel(float(np.exp(level - p * n.mean() - q * d.mean())), float(p), float(q)))
    return forms


def _overhead(n: Array, ratio: Array, side: int, free_k: bool) -> CostModel | None:
    """Fit k (1 + overhead N^-power)^side through ln C/ND, k 6 unless it is free; None if nothing falls with N.

    (C/ND)^side is linear in N^-power: relative errors are solved for at every power, and the best power refined.
    """
    y, x = np.exp(side * ratio), n - n.mean()

    def solved(power: float) -> tuple[float, Array]:
        columns, fixed = np.exp(-power * x) / y, SIX_ND.k**side / y
        X = np.stack([1 / y, columns], axis=1) if free_k else columns[:, None]
        target = np.ones(len(y)) if free_k else 1 - fixed
        theta = np.linalg.lstsq(X, target, rcond=None)[0]
        return float(((X @ theta - target) ** 2).sum()), np.asarray(theta, float)

    step = float(POWERS[1] - POWERS[0])
    start = min(POWERS.tolist(), key=lambda power: solved(power)[0])
    span = (max(start - step, step / 2), min(start + step, 1.0))
    refined: Any = minimize_scalar(lambda p: solved(p)[0], bounds=span, method="bounded", options={"xatol": 1e-9})
    power = float(refined.x)
    level, extra = solved(power)[1] if free_k else (SIX_ND.k**side, *solved(power)[1])
    if level <= 0 or extra <= 0:
        return None
    k = float(level**side) if free_k else SIX_ND.k
    return CostModel(k, overhead=float(extra / level * np.exp(power * n.mean())), overhead_power=power, side=side)
