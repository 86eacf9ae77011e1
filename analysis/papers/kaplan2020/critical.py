"""Figures 10 and 18: the critical batch, and the hyperbolas of steps and tokens that it is read from."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.hyperparameters.branched import LocalBatch
from analysis.hyperparameters.gradient_noise import NoisePoint
from analysis.laws.kaplan import CRITICAL
from analysis.papers.figure import Figure, LackingRunsError, to_train
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy

NEEDS = ("kaplan/critical-batch",)
BRANCHES = ("merrill/branches",)
BRANCHED = "branched training, within .01 nats"
PAPER = CRITICAL["kaplan2020"]


def _figure_10(evidence: Evidence) -> pd.DataFrame:
    found, law = evidence.critical, evidence.b_crit
    table = found.table().dropna(subset=["B_crit"])
    parts = [
        rows(
            "batch",
            r"$B_{crit} = E_{min}/S_{min}$, 95 %",
            "points",
            size["L"],
            size["B_crit"],
            low=size["B_crit_low"],
            high=size["B_crit_high"],
            n_params=size["N"],
        )
        for _, size in table.groupby("N")
    ]
    at = style.span(table["L"], beyond=0.1, n=60)
    words = rf"ours, $L^{{-1/\alpha_B}}$, $\alpha_B$ = {law.derived['alpha_B']:.2f}"
    parts.append(rows("batch", words, "fit", at, law.predict(L=at)))
    parts.append(slope_through("batch", r"paper's slope, $L^{-4.8}$", table["L"], table["B_crit"], -PAPER.power))
    parts += [_branched(each) for each in evidence.branched]
    return tidy([*parts, *(_noise(point) for point in evidence.noise)], evidence.unit)


def _branched(local: LocalBatch) -> pd.DataFrame:
    at = {"x": [local.loss_nats], "y": [local.middle], "n_params": [local.n_params]}
    return rows("batch", BRANCHED, "points", low=[local.batch], high=[local.highest], **at)


def _noise(point: NoisePoint) -> pd.DataFrame:
    low, high = point.ci95 or (np.nan, np.nan)
    at = {"x": [point.loss_nats], "y": [point.tokens or np.nan], "n_params": [point.n_params]}
    return rows("batch", "gradient noise scale, 95 %", "points", low=[low], high=[high], **at)


def _found_10(table: pd.DataFrame) -> str:
    fit = table.loc[table["kind"] == "fit"]
    points = table.loc[table["series"].str.startswith("$B_")]
    noise, branched = (table.loc[table["series"].str.startswith(name)] for name in ("gradient", BRANCHED))
    low, high = style.short(points["y"].min()), style.short(points["y"].max())
    said = (
        f"alpha_B = {str(fit['series'].iloc[0]).split('= ')[-1]} (paper .21); B_crit from {low} to {high} "
        f"{fit['unit'].iloc[0]}s over losses from {points['x'].max():.3g} to {points['x'].min():.3g}"
    )
    said += _ratio(branched, fit, "branched training", to_train(BRANCHES))
    return said + _ratio(noise, fit, "the gradient noise scale", "runs that measure it (evaluation.noise_every)") + "."


def _ratio(points: pd.DataFrame, fit: pd.DataFrame, words: str, needs: str) -> str:
    """Another estimate over B_crit at its own losses, within and beyond those of the hyperbolas."""
    if points.empty:
        return f"; {words} is not drawn: it needs {needs}"
    line = np.polyfit(np.log(fit["x"]), np.log(fit["y"]), 1)
    ratio = float(np.exp((np.log(points["y"]) - np.polyval(line, np.log(points["x"]))).mean()))
    return f"; {words} gives {ratio:.2g} times B_crit (geometric mean of {len(points)} points)"


def _figure_18(evidence: Evidence) -> pd.DataFrame:
    found = evidence.critical
    fitted = [each for each in found.hyperbolas if each.fit]
    if not fitted:
        raise LackingRunsError(
            next(iter(each.problem for each in found.hyperbolas if each.problem), "no loss is reached")
        )
    parts = []
    for each in fitted:
        assert each.fit is not None
        steps = found.steps
        there = steps.loc[
            (steps["N"] == each.n_params) & (steps["L"] == each.loss_nats) & steps["problem"].isna()
        ].sort_values("B")
        panel = f"N = {style.short(each.n_params)}"
        batch = style.span(there["B"], beyond=0.15, n=60)
        at = each.fit.predict(B=batch)
        words = f"{each.loss_nats:.3g} nats"
        parts.append(rows(panel, words, "fit", at, at * batch))
        parts.append(rows(panel, "runs at the best rate of each batch", "points", there["S"], there["E"]))
        E_min, S_min = each.fit.values["E_min"], each.fit.values["S_min"]
        parts.append(rows(panel, r"$B_{crit}$: twice $S_{min}$ and $E_{min}$", "points", [2 * S_min], [2 * E_min]))
    return tidy(parts, evidence.unit)


def _found_18(table: pd.DataFrame) -> str:
    runs = table.loc[table["series"].str.startswith("runs")]
    return (
        f"{len(runs)} cells at {table.loc[table['kind'] == 'fit', 'series'].nunique()} losses lie on their hyperbolas."
    )


FIGURE_10 = Figure(
    "10",
    "The critical batch against the loss",
    "B_crit grows as a power of the falling loss, and both sizes lie on one line: it depends on the loss alone. "
    "The paper's slope is drawn through the middle; its level is of other tokens.",
    "losses over a factor of 1.5 move B_crit some sevenfold; the losses of one run are not independent, so that a wide "
    "alpha_B is expected.",
    NEEDS + BRANCHES,
    _figure_10,
    drawing({"batch": Panel("", "held-out loss, nats/{unit}", "batch, {unit}s", x_as=style.plain, y_as=style.short)}),
    _found_10,
)
FIGURE_18 = Figure(
    "18",
    "Tokens against steps to reach a loss",
    "each loss has its hyperbola (S/S_min - 1)(E/E_min - 1) = 1; its corner (mark) moves to larger batches as the loss "
    "falls.",
    "batches on both sides of B_crit with rates tuned for each: steps differ by factors, seeds move them by a few %.",
    NEEDS,
    _figure_18,
    drawing(Panel("", "steps S", "tokens E = BS, {unit}s", y_as=style.short)),
    _found_18,
)
