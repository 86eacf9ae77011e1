"""Entropies and correlations of tokens, and the loss that they predict beside the one that was trained."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.forecasting.data_exponent import predict, usable_correlations, usable_entropies
from analysis.papers.cagnetta2026.evidence import Evidence, kept_statistics
from analysis.papers.figure import Figure, PaperTable
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy
from scaling_harness.errors import HarnessError

GRAMMAR, TEXT, ONE_PASS = ("hestness/grammar",), ("hestness/text",), ("reproduce-standard",)
WORDS = {"sotu": "speeches, bytes", "grammar": "grammar"}
PUBLISHED = {"TinyStories": (0.34, 0.88, 0.19), "WikiText": (0.27, 0.94, 0.14)}
"""gamma, beta and alpha_D of the paper, on BPE tokens."""


def _entropies(_evidence: object) -> pd.DataFrame:
    """Bounds of H_n, and the power law above its limit."""
    parts = []
    for each in kept_statistics():
        panel, found = WORDS.get(each.label, each.label), predict(each)
        shown = [h for h in each.entropies if h.n >= 1]
        n = np.array([h.n for h in shown], float)
        low, high = (np.array([getattr(h, side) for h in shown]) for side in ("low", "high"))
        words = "between two bounds" if each.n_tokens else "exact"
        parts.append(rows(panel, words, "points", n, (low + high) / 2, low=low, high=high))
        used = usable_entropies(each)
        middle = np.array([(h.low + h.high) / 2 for h in used])
        at, span = np.array([h.n for h in used], float), np.geomspace(1, n.max(), 60)
        power = at**-found.gamma.value
        c = float(power @ (middle - found.limit_nats) / (power @ power))
        kind = "known" if found.limit_known else "fitted"
        words = f"{kind} limit {found.limit_nats:.3f}, gamma {found.gamma:.2f}"
        parts.append(rows(panel, words, "fit", span, found.limit_nats + c * span**-found.gamma.value))
    return tidy(parts, "token")


def _found_entropies(table: pd.DataFrame) -> str:
    said = []
    for panel, part in table.groupby("panel", sort=False):
        points = part.loc[part["kind"] == "points"]
        last = points.iloc[-1]
        width = (last["high"] - last["low"]) / last["y"]
        bounds = f"its bounds are {width:.0%} apart there" if width > 0 else "exactly"
        line = part.loc[part["kind"] == "fit", "series"].iloc[0]
        said.append(
            f"{panel}: from {points['y'].iloc[0]:.2f} nats given one token to {last['y']:.2f} given "
            f"{last['x']:.0f}, {bounds}; {line}"
        )
    return ". ".join(said) + "."


def _correlations(_evidence: object) -> pd.DataFrame:
    """Norm of C(n), and the noise that 3 errors are."""
    parts = []
    for each in kept_statistics():
        panel, found = WORDS.get(each.label, each.label), predict(each)
        used = usable_correlations(each)
        n, norms = (np.array([getattr(c, name) for c in used], float) for name in ("n", "norm"))
        others = [c for c in each.correlations if c.n > n.max() and c.norm > 0]
        parts.append(rows(panel, "above 3 times its error", "points", n, norms))
        if others:
            parts.append(rows(panel, "within noise", "points", [c.n for c in others], [c.norm for c in others]))
        if each.n_tokens:
            at = [c.n for c in each.correlations]
            parts.append(rows(panel, "3 errors", "paper", at, [3 * c.error for c in each.correlations]))
        level = np.exp(np.log(norms).mean() + found.beta.value * np.log(n).mean())
        span = style.span(n, n=40)
        parts.append(rows(panel, f"beta {found.beta:.2f}", "fit", span, level * span**-found.beta.value))
    return tidy(parts, "token")


def _found_correlations(table: pd.DataFrame) -> str:
    said = []
    for panel, part in table.groupby("panel", sort=False):
        points, line = part.loc[part["series"].str.startswith("above")], part.loc[part["kind"] == "fit"]
        off = np.log(points["y"].to_numpy(float)) - np.interp(np.log(points["x"]), np.log(line["x"]), np.log(line["y"]))
        first, last = off[: len(off) // 2].mean(), off[-1]
        bends = " and steeper the farther: no clean power law" if last < -0.3 and first > last else ""
        said.append(
            f"{panel}: seen to a distance of {points['x'].max():.0f} tokens, falling as {line['series'].iloc[0]}{bends}"
        )
    return "; ".join(said) + "."


def _predicted(evidence: Evidence) -> pd.DataFrame:
    found, measured = evidence.prediction, evidence.measured
    panel = WORDS.get(evidence.statistics.label, evidence.statistics.label)
    span = style.span(measured.n_tokens, n=40)
    fitted = measured.coefficient * span**-measured.exponent.value
    words = f"predicted slope, alpha_D {found.alpha_d:.3f}"
    return tidy(
        [
            rows(panel, "loss above its limit", "points", measured.n_tokens, measured.reducible),
            rows(panel, f"fitted, {measured.exponent:.3f}", "fit", span, fitted),
            slope_through(panel, words, measured.n_tokens, measured.reducible, -found.alpha_d.value),
        ],
        "token",
    )


def _found_predicted(table: pd.DataFrame) -> str:
    fitted = table.loc[table["kind"] == "fit", "series"].iloc[0]
    predicted = table.loc[table["kind"] == "paper", "series"].iloc[0]
    return (
        f"{predicted[0].upper()}{predicted[1:]} before any training; {fitted} to the runs. The level is not predicted."
    )


def apart(predicted: Estimate, fitted: Estimate) -> str:
    """Whether two intervals meet, in words."""
    if predicted.ci95 is None or fitted.ci95 is None:
        return "no interval"
    meet = predicted.ci95[0] <= fitted.ci95[1] and fitted.ci95[0] <= predicted.ci95[1]
    ratio = fitted.value / predicted.value
    return f"intervals {'meet' if meet else 'do not meet'}; fitted is {ratio:.2f} of predicted"


def _exponents(_evidence: object) -> pd.DataFrame:
    lines = [
        {"tokens": name, "gamma": f"{g}", "beta": f"{b}", "alpha_D = gamma / 2 beta": f"{a}", "from": "the paper"}
        for name, (g, b, a) in PUBLISHED.items()
    ]
    for each in kept_statistics():
        row = {"tokens": WORDS.get(each.label, each.label)}
        counted = f"{each.n_tokens:,} tokens counted" if each.n_tokens else "calculated from the rules"
        try:
            found = predict(each)
            row |= {"gamma": f"{found.gamma:.2f}", "beta": f"{found.beta:.2f}"}
            row |= {"alpha_D = gamma / 2 beta": f"{found.alpha_d:.3f}", "from": counted}
        except HarnessError as error:
            row |= {"gamma": "–", "beta": "–", "alpha_D = gamma / 2 beta": str(error), "from": counted}
        lines.append(row)
    return pd.DataFrame(lines)


def _compared(name: str, title: str, visible: str, needs: tuple[str, ...]) -> Figure:
    return Figure(
        name,
        title,
        "the loss above its limit falls along the predicted slope.",
        visible,
        needs,
        _predicted,
        drawing(Panel("", "D, distinct {unit}s", "L - E, nats/{unit}")),
        _found_predicted,
    )


FIGURES = (
    Figure(
        "entropies",
        "Entropy of the next token given those before it",
        "a power of the context above a limit, exactly so for the grammar.",
        "counted entropies are shown between bounds: they are used as far as these lie within 20 % of each other.",
        (),
        _entropies,
        drawing(Panel("", "n, tokens of context", r"$H_n$, nats/{unit}", x_as=style.plain)),
        _found_entropies,
    ),
    Figure(
        "correlations",
        "Correlations of tokens, by their distance",
        "a power of the distance, down to the noise of the tokens counted.",
        "measured on one half of the tokens along the singular vectors of the other: noise adds nothing to the mean.",
        (),
        _correlations,
        drawing(Panel("", "n, distance in tokens", r"$\|C(n)\|$", x_as=style.plain, y_as=style.power)),
        _found_correlations,
    ),
    _compared(
        "grammar",
        "Predicted before training: a grammar",
        "its entropy is known, so that L - E is measured; levels of rules are learned in steps about the line.",
        GRAMMAR,
    ),
    _compared(
        "text",
        "Predicted before training: speeches, limited tokens",
        "E is fitted, and its interval widens that of the exponent.",
        TEXT,
    ),
    _compared(
        "one-pass",
        "Predicted before training: speeches, tokens seen once",
        "the term of D in Chinchilla's law; one pass uses tokens less than many do.",
        ONE_PASS,
    ),
)
TABLES = (
    PaperTable(
        "exponents",
        "Exponents of statistics",
        "bytes have other statistics than BPE tokens: the paper's values are no test of ours",
        (),
        _exponents,
    ),
)
