"""McCandlish et al. 2018, An Empirical Model of Large-Batch Training: its figures from runs of several batches.

Steps and tokens to a loss trade off along one hyperbola, whose corner is the noise scale. What is measured and fitted
is that of kaplan2020's figures 10 and 18.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.hyperparameters.critical_batch import Hyperbola
from analysis.hyperparameters.gradient_noise import noise_points
from analysis.laws.critical_batch import adaptive_gain
from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy
from scaling_harness.errors import HarnessError

NEEDS = ("kaplan/critical-batch",)
NOISE, CRITICAL = "gradient noise scale, 95 %", r"$B_{crit} = E_{min}/S_{min}$, 95 %"
PREDICTED = -1.0  # exponent of the rate in the noise scale: it goes as 1 / temperature (section 2.2 and appendix C)
CORNER = 5.0  # ends of the tradeoff curves, in units of the least


def fitted(evidence: Evidence) -> list[Hyperbola]:
    """Hyperbolas that the steps give, of each size from its highest loss to its lowest.

    Raises
    ------
    LackingRunsError
        None, with the first reason.
    """
    found = [each for each in evidence.critical.hyperbolas if each.fit]
    if not found:
        reasons = (each.problem for each in evidence.critical.hyperbolas if each.problem)
        raise LackingRunsError(next(reasons, "no loss is reached"))
    return sorted(found, key=lambda each: (each.n_params, -each.loss_nats))


def _figure_1(evidence: Evidence) -> pd.DataFrame:
    parts = []
    for each in fitted(evidence):
        assert each.fit is not None
        steps = evidence.critical.steps
        there = steps.loc[
            (steps["N"] == each.n_params) & (steps["L"] == each.loss_nats) & steps["problem"].isna()
        ].sort_values("B")
        S_min, E_min = each.fit.values["S_min"], each.fit.values["E_min"]
        parts.append(
            rows(
                "front",
                "runs",
                "points",
                there["S"] / S_min,
                there["E"] / E_min,
                n_params=np.full(len(there), each.n_params),
            )
        )
    least = np.concatenate([part["x"] for part in parts])
    at = np.geomspace(1 + (least.min() - 1) / 2, least.max() * 1.3, 200)
    parts.append(rows("front", "(S/S_min - 1)(E/E_min - 1) = 1", "fit", at, 1 + 1 / (at - 1)))
    return tidy(parts, evidence.unit)


def _found_1(table: pd.DataFrame) -> str:
    points = table.loc[table["kind"] == "points"]
    x, y = points["x"].to_numpy(float), points["y"].to_numpy(float)
    off = np.log(1 / x + 1 / y)  # 0 on the curve: S_min/S + E_min/E = 1
    return (
        f"{len(points)} cells of {points['n_params'].nunique()} sizes lie {np.sqrt((off**2).mean()):.1%} rms from the "
        f"one curve, over {x.min():.2f} to {x.max():.3g} times the least steps."
    )


def _figure_noise(evidence: Evidence) -> pd.DataFrame:
    points = evidence.noise
    if not points:
        raise LackingRunsError("no run measured the gradient noise scale (evaluation.noise_every)")
    ends = np.array([point.ci95 or (np.nan, np.nan) for point in points])
    sizes = np.array([point.n_params for point in points])
    at = {"low": ends[:, 0], "high": ends[:, 1], "n_params": sizes}
    loss = [point.loss_nats for point in points]
    parts = [rows("noise", NOISE, "points", loss, [point.tokens or np.nan for point in points], **at)]
    table = evidence.critical.table().dropna(subset=["B_crit"])
    if len(table):
        at = {"low": table["B_crit_low"], "high": table["B_crit_high"], "n_params": table["N"]}
        parts.append(rows("noise", CRITICAL, "points", table["L"], table["B_crit"], **at))
    return tidy(parts, evidence.unit)


def _found_noise(table: pd.DataFrame) -> str:
    noise, critical = (table.loc[table["series"] == words].sort_values("x") for words in (NOISE, CRITICAL))
    power = np.polyfit(np.log(noise["x"]), np.log(noise["y"]), 1)[0]
    said = f"The noise scale goes as L^{power:.1f} over {len(noise)} points of {noise['n_params'].nunique()} sizes"
    if critical.empty:
        return said + "; these runs give no B_crit beside it."
    inside = noise.loc[noise["x"].between(critical["x"].min(), critical["x"].max())]
    if inside.empty:
        return said + "; none of them is at a loss that has a B_crit."
    curve = np.polyfit(np.log(critical["x"]), np.log(critical["y"]), 1 if len(critical) > 1 else 0)
    ratio = np.exp(np.log(inside["y"]) - np.polyval(curve, np.log(inside["x"])))
    return (
        f"{said}; at the losses that have a B_crit it is {np.exp(np.log(ratio).mean()):.2g} times that, "
        f"{ratio.min():.2g} to {ratio.max():.2g} (the paper: the same to an order of magnitude)."
    )


def by_rate(evidence: Evidence) -> pd.DataFrame:
    """Noise scale by size, batch, rate and loss: N, B, lr, L, noise.

    Raises
    ------
    LackingRunsError
        Fewer than two rates have one.
    """
    lines = []
    frame = evidence.runs.frame
    for rate in np.unique(frame["lr"].to_numpy(float)):
        points = noise_points(evidence.runs.where(frame["lr"] == rate), evidence.curves)
        lines += [(p.n_params, p.batch_tokens, rate, p.loss_nats, p.tokens) for p in points if p.tokens]
    found = pd.DataFrame(lines, columns=["N", "B", "lr", "L", "noise"], dtype=float)
    if len(np.unique(found["lr"])) < 2:
        raise LackingRunsError("the noise scale was measured at fewer than two rates")
    return found


def rate_exponent(points: pd.DataFrame) -> tuple[Estimate, np.ndarray]:
    """Exponent of the rate in the noise scale at equal size, batch and loss; and ln of it without the rest.

    Ordinary least squares of ln B_noise on ln lr, ln L and ln B with a level for each size, Student's interval.
    """
    levels = (points["N"].to_numpy()[:, None] == np.unique(points["N"])).astype(float)
    X = np.column_stack([np.log(points[["lr", "L", "B"]].to_numpy(float)), levels])
    y = np.log(points["noise"].to_numpy(float))
    beta, _, rank, _ = np.linalg.lstsq(X, y)
    dof = len(y) - int(rank)
    if dof < 1:
        raise LackingRunsError(f"{len(y)} noise scales are too few to part the rate from the loss and the batch")
    residual = y - X @ beta
    error = float(np.sqrt(residual @ residual / dof * np.linalg.pinv(X.T @ X)[0, 0]))
    half = float(stats.t.ppf(0.975, dof)) * error
    value = float(beta[0])
    return Estimate(value, error, (value - half, value + half)), residual + beta[0] * X[:, 0]


def _figure_temperature(evidence: Evidence) -> pd.DataFrame:
    points = by_rate(evidence)
    slope, partial = rate_exponent(points)
    level = float(np.log(points["noise"]).mean() - partial.mean())
    y = np.exp(partial + level)
    parts = [rows("temperature", "at the mean loss, batch and size", "points", points["lr"], y, n_params=points["N"])]
    fit = slope_through("temperature", f"ours, rate to the {slope:.2f}", points["lr"], y, slope.value)
    paper = slope_through("temperature", "predicted, 1 / rate", points["lr"], y, PREDICTED)
    return tidy([*parts, fit.assign(kind="fit"), paper], evidence.unit)


def _found_temperature(table: pd.DataFrame) -> str:
    words = str(table.loc[table["kind"] == "fit", "series"].iloc[0])
    low, high = (float(end) for end in words.split("[")[1].rstrip("]").split(", "))
    verdict = "holds the predicted -1" if low <= PREDICTED <= high else "does not hold the predicted -1"
    n = len(table.loc[table["kind"] == "points"])
    return f"At equal loss, batch and size: {words} over {n} points; the interval {verdict}."


def stretches(evidence: Evidence, n_params: float) -> pd.DataFrame:
    """Least steps and noise scale of each stretch between the losses of a size: S_min, noise.

    A stretch has the differences of S_min and E_min of its two losses; the first starts from nothing.
    """
    of_size = [each.fit for each in fitted(evidence) if each.n_params == n_params and each.fit]
    S, E = (np.array([fit.values[name] for fit in of_size]) for name in ("S_min", "E_min"))
    found = pd.DataFrame({"S_min": np.diff(S, prepend=0.0), "E_min": np.diff(E, prepend=0.0)})
    found = found.loc[(found["S_min"] > 0) & (found["E_min"] > 0)]
    return found.assign(noise=found["E_min"] / found["S_min"])


def _figure_adaptive(evidence: Evidence) -> pd.DataFrame:
    parts = []
    at = np.geomspace(1.08, CORNER, 80)
    for n_params in np.unique([each.n_params for each in fitted(evidence)]):
        parted = stretches(evidence, n_params)
        if len(parted) < 2:
            continue
        gamma = adaptive_gain(parted["S_min"].to_numpy(), parted["noise"].to_numpy())
        words = f"batch that follows the noise scale, N = {style.short(n_params)}, gamma = {gamma:.2f}"
        parts.append(rows("adaptive", words, "fit", at, 1 + gamma / (at - 1)))
    if not parts:
        raise LackingRunsError("no size has hyperbolas at two losses")
    parts.append(rows("adaptive", "fixed batch, gamma = 1", "paper", at, 1 + 1 / (at - 1)))
    return tidy([part.loc[part["y"] <= CORNER] for part in parts], evidence.unit)


def _found_adaptive(table: pd.DataFrame) -> str:
    said = []
    for words in table.loc[table["kind"] == "fit", "series"].unique():
        size, gamma = words.split(", ")[1], float(words.rsplit("= ", 1)[1])
        said.append(f"{size}: {(1 - np.sqrt(gamma)) / 2:.0%} fewer steps and tokens than a fixed batch of B_crit")
    return "Predicted, not trained: " + "; ".join(said) + "."


def _law_rows(evidence_of: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """Exponents of the noise scale in the rate; B_crit beside the noise scale is figure noise."""
    try:
        ours = f"{rate_exponent(by_rate(evidence_of(NEEDS)))[0]:.2f}"
    except HarnessError as error:
        ours = f"not measured: {error}"
    return [
        LawRow(
            "noise scale against the rate, exponent",
            f"{PREDICTED:g}",
            ours,
            "the prediction is of SGD near a minimum, at a batch far below the noise scale; ours is Adam's",
        )
    ]


BATCH = "batch, {unit}s"
FIGURE_1 = Figure(
    "1",
    "Steps against tokens, each in units of its least",
    "all losses and sizes fall on one hyperbola: twice the least steps at twice the least tokens.",
    "batches a factor of 128 apart, rates tuned for each; seeds move steps by a few %.",
    NEEDS,
    _figure_1,
    drawing({"front": Panel("", r"$S / S_{min}$", r"$E / E_{min}$", x_as=style.plain)}),
    _found_1,
)
FIGURE_NOISE = Figure(
    "noise",
    "The gradient noise scale against the loss, beside the critical batch",
    "the noise scale grows as the loss falls and is the critical batch to an order of magnitude.",
    "eight measurements or more a point; it grows some tenfold over these losses, intervals are a factor of 1.3 to 3.",
    NEEDS,
    _figure_noise,
    drawing({"noise": Panel("", "held-out loss, nats/{unit}", BATCH, x_as=style.plain, y_as=style.short)}),
    _found_noise,
)
FIGURE_TEMPERATURE = Figure(
    "temperature",
    "The noise scale against the learning rate",
    "half the rate has twice the noise scale: a rate that is not tuned gives the wrong batch.",
    "four rates over a factor of 8 at each batch, so that the prediction is a factor of 8; a point scatters by 1.3.",
    NEEDS,
    _figure_temperature,
    drawing({"temperature": Panel("", "learning rate at width 64", BATCH, x_as=style.plain, y_as=style.short)}),
    _found_temperature,
)
FIGURE_ADAPTIVE = Figure(
    "adaptive",
    "What a batch that follows the noise scale would save",
    "its front lies inside that of a fixed batch, the more the noise scale grows over training.",
    "a closed form of the fitted S_min and E_min: it is as sure as they are, and no run has such a batch.",
    NEEDS,
    _figure_adaptive,
    drawing({"adaptive": Panel("", r"$S / S_{min}$", r"$E / E_{min}$", x_as=style.plain)}),
    _found_adaptive,
)
mccandlish2018 = Paper(
    "mccandlish2018",
    "McCandlish et al. 2018, An Empirical Model of Large-Batch Training",
    (FIGURE_1, FIGURE_NOISE, FIGURE_TEMPERATURE, FIGURE_ADAPTIVE),
    Evidence.of,
    _law_rows,
    {"quick": {"kaplan/critical-batch": "kaplan/critical-batch"}},
)
