"""What the page shows: a smooth loss, exact matches with both curves, and where half of the answers are right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures import style
from analysis.papers.emergence.evidence import Evidence, Length
from analysis.papers.figure import Figure, LackingRunsError, LawRow, PaperTable
from analysis.papers.tidy import Panel, drawing, rows, tidy, with_room
from scaling_harness.errors import HarnessError

NEEDS = ("emergence",)
LOSS, MATCH, THRESHOLD = "loss", "match", "threshold"
STEPS = 80
MATCH_PANELS = {
    LOSS: Panel("smooth", "N (with head), parameters", "loss above its entropy, nats/{unit}"),
    MATCH: Panel("emergent", "N (with head), parameters", "share of answers without an error", log_y=False),
}
P_K, ITS_OWN = "p^k of single tokens", "logistic of its own"


def _figure_match(evidence: Evidence) -> pd.DataFrame:
    loss = evidence.reducible
    at = np.geomspace(loss["N"].min(), loss["N"].max(), STEPS)
    parts = [
        rows(LOSS, "mean loss above its entropy", "points", loss["N"], loss["L"], low=loss["low"], high=loss["high"])
    ]
    for each in evidence.lengths:
        N, n = each.cells["N"].to_numpy(float), each.cells["answers"].to_numpy(float)
        share = each.cells["right"].to_numpy(float) / n
        half = 1.96 * np.sqrt(share * (1 - share) / n)
        parts.append(rows(MATCH, f"k = {each.n_tokens}", "points", N, share, low=share - half, high=share + half))
        parts.append(rows(MATCH, _named(P_K, each), "fit", at, evidence.tokens.share(at, each.n_tokens)))
        if each.alone:
            parts.append(rows(MATCH, _named(ITS_OWN, each), "paper", at, each.alone.share(at)))
    return tidy(parts, "token")


def _named(curve: str, each: Length) -> str:
    """Name of a curve; those after the first begin with _, which keeps them out of the legend."""
    return curve if each.n_tokens == 1 else f"_{curve}, k = {each.n_tokens}"


def _draw_match(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Both panels; the one of shares has room for its legend above."""
    if str(frame["panel"].iloc[0]) == LOSS:
        return drawing(MATCH_PANELS)(ax, frame)
    ax = with_room(MATCH_PANELS, above=0.35)(ax, frame)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.legend(loc="upper left", ncols=3, fontsize=8)
    return ax


def _found_match(table: pd.DataFrame) -> str:
    points = table.loc[(table["panel"] == MATCH) & (table["kind"] == "points")]
    loss = table.loc[table["panel"] == LOSS].sort_values("x")["y"].to_numpy()
    ranges = [
        f"{name} from {part['y'].min():.2f} to {part['y'].max():.2f}"
        for name, part in points.groupby("series", sort=False)
    ]
    return (
        f"The loss falls by a factor of {loss.max() / loss.min():.3g}, at most {(loss[:-1] / loss[1:]).max():.2g} "
        f"between two sizes in a row; right answers: {'; '.join(ranges)}."
    )


def thresholds(evidence: Evidence) -> pd.DataFrame:
    """T of every length, log10 N: predicted from single tokens, by its own curve of p^k's form, and by its logistic.

    Returns
    -------
    DataFrame
        k, predicted, own, logistic and the standard error of each; apart: own minus predicted; holds: within 95 %.

    Raises
    ------
    LackingRunsError
        No length has curves of its own.
    """
    lines = []
    for each in evidence.lengths:
        if each.alone and each.own:
            T = (evidence.predicted(each.n_tokens), each.own.threshold(), each.alone.threshold())
            lines.append((each.n_tokens, *(t.value for t in T), *(t.stderr for t in T)))
    if not lines:
        raise LackingRunsError("; ".join(dict.fromkeys(each.reason for each in evidence.lengths)))
    names = ("predicted", "own", "logistic")
    found = pd.DataFrame(lines, columns=["k", *names, *(f"{name}_error" for name in names)], dtype=float)
    apart, error = found["own"] - found["predicted"], np.hypot(found["own_error"], found["predicted_error"])
    return found.assign(apart=apart, holds=np.abs(apart) <= 1.96 * error)


def _figure_threshold(evidence: Evidence) -> pd.DataFrame:
    found = thresholds(evidence)
    parts = []
    for name, words in (("own", "curve of p^k's form through these answers"), ("logistic", "logistic through them")):
        T, half = found[name], 1.96 * found[f"{name}_error"]
        parts.append(rows(THRESHOLD, words, "points", found["k"], 10**T, low=10 ** (T - half), high=10 ** (T + half)))
    k = np.geomspace(found["k"].min(), found["k"].max(), STEPS)
    line = [10 ** evidence.tokens.threshold(0.5 ** (1 / each)).value for each in k]
    parts.append(rows(THRESHOLD, r"predicted from single tokens, $p = .5^{1/k}$", "fit", k, line))
    return tidy(parts, "token")


def _found_threshold(table: pd.DataFrame) -> str:
    line = table.loc[table["kind"] == "fit"].sort_values(by="x")
    said = []
    for name, points in table.loc[table["kind"] == "points"].groupby("series", sort=False):
        x, y, low, high = points[["x", "y", "low", "high"]].to_numpy(float).T
        predicted = np.exp(np.interp(np.log(x), np.log(line["x"]), np.log(line["y"])))
        inside = int(((low <= predicted) & (predicted <= high)).sum())
        off = np.abs(y / predicted - 1).max()
        said.append(
            f"by the {name} N is {y[0]:.3g} for k = {x[0]:.0f} and {y[-1]:.3g} for k = {x[-1]:.0f}, the prediction "
            f"inside the interval for {inside} of {len(x)} lengths and at most {off:.0%} off"
        )
    by_form = "A logistic is symmetric, and p^k is not: its N is off by form."
    return f"Half of the answers are right: {'; '.join(said)}. {by_form}"


def _comparison(evidence: Evidence) -> pd.DataFrame:
    lines = []
    for each in evidence.lengths:
        alone = each.alone
        T = alone.threshold() if alone else None
        lines.append(
            {
                "k": str(each.n_tokens),
                "p^k from single tokens: ln likelihood": f"{each.likelihood_of_tokens:.1f}",
                "logistic of its own, 2 parameters": f"{alone.log_likelihood:.1f}" if alone else each.reason,
                "better": _better(each),
                "T predicted (95 %)": f"{evidence.predicted(each.n_tokens):.3f}",
                "T of p^k's form, its own (95 %)": f"{each.own.threshold():.3f}" if each.own else "–",
                "T of the logistic (95 %)": f"{T:.3f}" if T else "–",
                "scatter over that of drawing answers": f"{alone.dispersion:.2g}" if alone else "–",
            }
        )
    return pd.DataFrame(lines)


def _better(each: Length) -> str:
    """By Akaike's criterion: a parameter costs 1; those of p^k were fitted to single tokens."""
    if each.alone is None:
        return "p^k: it needs no size between"
    ahead = each.likelihood_of_tokens - (2 if each.n_tokens == 1 else 0) - (each.alone.log_likelihood - 2)
    return f"{'p^k' if ahead > 0 else 'logistic'}, by {abs(ahead):.1f}"


def law_rows(evidence_of: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """Whether T moves with k as single tokens say."""
    law = "T of answers of k tokens, from p = .5^(1/k)"
    why = "no paper's value: T is predicted from single tokens, and fitted to the answers themselves"
    try:
        found = thresholds(evidence_of(NEEDS))
        longer = found.loc[found["k"] > 1]
        k, apart = longer[["k", "apart"]].to_numpy(float)[np.abs(longer["apart"].to_numpy(float)).argmax()]
        inside = int(longer["holds"].to_numpy().sum())
        ours = f"inside for {inside} of {len(longer)} lengths; farthest {apart:+.3f} at k = {k:.0f}"
    except HarnessError as error:
        ours = f"not measured: {error}"
    return [LawRow(law, "log10 N within its 95 %", ours, why)]


FIGURES = (
    Figure(
        "match",
        "The loss, and answers without an error",
        "the loss falls smoothly, answers of one token improve so, and those of many seem to appear at some size.",
        "thousands of answers a size; seeds move the share by more than drawing answers does.",
        NEEDS,
        _figure_match,
        _draw_match,
        _found_match,
    ),
    Figure(
        "threshold",
        "The size at which half of the answers are right",
        "it moves with k as single tokens say, where each is right with p = .5^(1/k): no ability appears there.",
        "a factor of several in N between k = 1 and the longest answers; a threshold is known to some per cent.",
        NEEDS,
        _figure_threshold,
        drawing(
            {
                THRESHOLD: Panel(
                    "", "k, tokens of an answer", "N at which half are right", x_as=style.short, y_as=style.short
                )
            }
        ),
        _found_threshold,
    ),
)
TABLES = (
    PaperTable(
        "likelihood",
        "p^k against a logistic",
        "p^k has no parameter of its own for k > 1: a logistic has to be better by more than its two to be worth them.",
        NEEDS,
        _comparison,
    ),
)
