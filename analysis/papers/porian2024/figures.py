"""Figure 1 from our runs and from the authors' points, the exponents side by side, IsoFLOP losses, tuned settings."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures import style
from analysis.papers.figure import Figure, LackingRunsError, PaperTable, public_table
from analysis.papers.porian2024.evidence import Evidence
from analysis.papers.porian2024.steps import (
    DATASETS,
    STEPS,
    StepExponent,
    changes,
    losses_of,
    measured_steps,
    published_steps,
    published_value,
)
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy

NEEDS, PUBLIC = ("porian/steps",), ("porian2024",)
LR_POWER, BATCH_POWER = -0.36, 0.703  # of the rules that the authors fitted, in N with head
OURS, EXPONENTS = "our runs", "exponents"


def _panel_words(step: int) -> str:
    return next(f"{each.number} {each.words}" for each in STEPS if each.number == step)


def _sizes(found: Iterable[StepExponent]) -> list[pd.DataFrame]:
    """Points, line and the authors' slope of each step, a panel each."""
    parts = []
    for each in found:
        panel, points = _panel_words(each.step.number), each.approach.points
        parts.append(rows(panel, "best size of a budget", "points", points["C"], points["N_opt"]))
        if not np.isfinite(each.a.value):
            continue
        at = style.span(points["C"], n=2)
        parts.append(rows(panel, f"a = {each.a:.2f}", "fit", at, each.approach.n_opt(at)))
        theirs = published_value(each.step, "rw").value
        parts.append(slope_through(panel, f"the paper's slope, {theirs:.3f}", points["C"], points["N_opt"], theirs))
    return parts


def _figure_1(evidence: Evidence) -> pd.DataFrame:
    return tidy(_sizes(measured_steps(evidence)), evidence.unit)


def _figure_1_published(_evidence: object) -> pd.DataFrame:
    return tidy(_sizes(published_steps(public_table("porian2024"))), "token")


def _found_1(table: pd.DataFrame) -> str:
    fits = table.loc[table["kind"] == "fit", ["panel", "series"]].drop_duplicates()
    without = sorted(set(table["panel"]) - set(fits["panel"]))
    said = "; ".join(f"{panel}: {words}" for panel, words in fits.itertuples(index=False))
    return said + (f"; no exponent of {', '.join(without)}" if without else "") + "."


def _ladder(found: Sequence[StepExponent], words: str, shift: float) -> pd.DataFrame:
    kept = [each for each in found if np.isfinite(each.a.value)]
    low, high = np.array([each.a.ci95 or (np.nan, np.nan) for each in kept]).reshape(-1, 2).T
    at = [each.step.number + shift for each in kept]
    return rows(EXPONENTS, words, "points", at, [each.a.value for each in kept], low=low, high=high)


def _published_ladders() -> list[pd.DataFrame]:
    """The authors' points by our analysis; none if the public table is not here."""
    try:
        points = public_table("porian2024")
    except LackingRunsError:
        return []
    shifts = zip(DATASETS.items(), (0.1, 0.2), strict=True)
    return [_ladder(published_steps(points, key), f"{name}, their points", x) for (key, name), x in shifts]


def _figure_exponents(evidence: Evidence) -> pd.DataFrame:
    numbers = [step.number for step in STEPS]
    printed = [
        rows(EXPONENTS, f"{name}, printed", "paper", numbers, [published_value(step, key).value for step in STEPS])
        for key, name in DATASETS.items()
    ]
    return tidy([_ladder(measured_steps(evidence), OURS, -0.1), *_published_ladders(), *printed], evidence.unit)


def _found_exponents(table: pd.DataFrame) -> str:
    ours = table.loc[table["series"] == OURS]
    theirs = table.loc[table["series"] == f"{DATASETS['rw']}, printed"]
    paper = dict(zip(theirs["x"].to_numpy(float), theirs["y"].to_numpy(float), strict=True))
    said, inside = [], 0
    numbers = np.rint(ours["x"].to_numpy(float))
    for number, a, low, high in zip(numbers, ours["y"], ours["low"], ours["high"], strict=True):
        said.append(f"{a:.2f} [{low:.2f}, {high:.2f}]")
        inside += low <= paper[number] <= high
    apart = ours["high"].iloc[-1] < ours["low"].iloc[0]
    return (
        f"Ours by step: {', '.join(said)}; the paper's value lies inside {inside} of {len(ours)} intervals; the first "
        f"and last intervals {'do not overlap' if apart else 'overlap'}."
    )


def _draw_exponents(ax: Axes, frame: pd.DataFrame) -> Axes:
    panel = Panel("", "step", "exponent a of N_opt", log_x=False, log_y=False)
    drawing({EXPONENTS: panel})(ax, frame)
    ax.set_xticks([step.number for step in STEPS], [step.words for step in STEPS], fontsize=6, rotation=15)
    return ax


def _figure_isoflops(evidence: Evidence) -> pd.DataFrame:
    parts = []
    for each in measured_steps(evidence):
        panel = _panel_words(each.step.number)
        losses, _ = losses_of(evidence, each.step)
        mean = losses.groupby(["C", "N"], as_index=False).agg(log_loss=("log_loss", "mean"))
        for _, of_budget in mean.groupby("C"):
            words = f"{of_budget['C'].iloc[0]:.2g} FLOP"
            parts.append(rows(panel, words, "fit", of_budget["N"], np.exp(of_budget["log_loss"])))
        points = each.approach.points
        if len(points):
            parts.append(rows(panel, "lowest", "points", points["N_opt"], points["loss"]))
    return tidy(parts, evidence.unit)


def _found_isoflops(table: pd.DataFrame) -> str:
    said = []
    for panel, part in table.groupby("panel", sort=False):
        n_budgets = part.loc[part["kind"] == "fit", "series"].nunique()
        said.append(f"{panel}: {len(part.loc[part['kind'] == 'points'])} of {n_budgets} budgets have a minimum inside")
    return "; ".join(said) + "."


def _figure_tuning(evidence: Evidence) -> pd.DataFrame:
    if evidence.settings.empty:
        raise LackingRunsError("no finished run has a constant rate")
    best = evidence.best_settings
    parts = []
    for edge, words in ((False, "best of each size"), (True, "best, its rate the lowest or highest tried")):
        kept = best.loc[best["edge"] == edge]
        parts += [rows(panel, words, "points", kept["N"], kept[panel]) for panel in ("lr", "batch_tokens", "beta2")]
    for panel, power in (("lr", LR_POWER), ("batch_tokens", BATCH_POWER)):
        parts.append(slope_through(panel, f"the paper's slope, {power}", best["N"], best[panel], power))
    return tidy([part for part in parts if len(part)], evidence.unit)


def _found_tuning(table: pd.DataFrame) -> str:
    points = table.loc[table["kind"] == "points"]
    said = []
    for panel, words in (("lr", "rate"), ("batch_tokens", "batch"), ("beta2", "beta2")):
        part = points.loc[points["panel"] == panel].sort_values("x")
        values = ", ".join(f"{y:g}" for y in part["y"])
        said.append(f"{words} from the smallest size to the largest {values}")
    edges = points.loc[(points["panel"] == "lr") & points["series"].str.contains("lowest or highest")]
    return "; ".join(said) + f"; {len(edges)} of {len(points) // 3} rates are at an edge of those tried."


def _table_exponents(evidence: Evidence) -> pd.DataFrame:
    ours = measured_steps(evidence)
    moved = dict(zip([each.step.number for each in ours[1:]], changes(ours), strict=True))
    by_number = {each.step.number: each for each in ours}
    lines = []
    for step in STEPS:
        mine = by_number.get(step.number)
        span = "" if mine is None or mine.approach.points.empty else _between(mine.tokens_per_param)
        lines.append(
            {
                "step": f"{step.number} {step.words}",
                "cause": step.cause,
                "a, ours (95 %)": f"{mine.a:.2f}" if mine else "not trained",
                "by Akima": f"{mine.by_akima:.2f}" if mine else "",
                "change": f"{moved[step.number]:+.2f}" if step.number in moved else "",
                "D/N, ours": span,
                "budgets": str(len(mine.approach.points)) if mine else "0",
                **{f"a, {name}": f"{published_value(step, key):.3f}" for key, name in DATASETS.items()},
            }
        )
    return pd.DataFrame(lines)


def _table_published(_evidence: object) -> pd.DataFrame:
    points = public_table("porian2024")
    found = {key: published_steps(points, key) for key in DATASETS}
    lines = []
    for i, step in enumerate(STEPS):
        line = {"step": f"{step.number} {step.words}"}
        for key, name in DATASETS.items():
            line[f"{name}, printed"] = f"{published_value(step, key):.3f}"
            line[f"{name}, by our analysis"] = f"{found[key][i].a:.3f}"
            line[f"{name}, D/N"] = _between(found[key][i].tokens_per_param)
        lines.append(line)
    return pd.DataFrame(lines)


def _between(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3g} to {ends[1]:.3g}"


_SIZE_PANELS = {
    _panel_words(step.number): Panel(
        _panel_words(step.number), "compute, FLOP", "best N, parameters", x_as=style.power, y_as=style.short
    )
    for step in STEPS
}
_LOSS_PANELS = {words: Panel(words, "N, parameters", "held-out loss, nats/{unit}") for words in _SIZE_PANELS}
FIGURE_1 = Figure(
    "1",
    "The best size against compute after each of the five steps, our runs",
    "the slope falls from step to step, most of it by counting the last layer, scaling the warm-up and tuning; "
    "matching the cosine moves it little.",
    "the head is 73 to 18 % of N, the fixed warm-up longer than the best runs up to 2e10 FLOPs; an interval of a slope "
    "is .05 to .1 wide over 1.5 decades, so that only the larger steps show.",
    NEEDS,
    _figure_1,
    drawing(_SIZE_PANELS),
    _found_1,
)
FIGURE_1_PUBLISHED = Figure(
    "1-published",
    "The same from the authors' points of RefinedWeb",
    "slopes of .835, .706, .602, .571 and .497, and D/N nearly constant after the last step alone.",
    "twelve budgets over 3.3 decades and their noise of seeds: intervals of .01.",
    (),
    _figure_1_published,
    drawing(_SIZE_PANELS),
    _found_1,
    PUBLIC,
)
FIGURE_EXPONENTS = Figure(
    "exponents",
    "The exponent after each step, ours beside theirs",
    "five intervals that walk from Kaplan's exponent down to Chinchilla's, in our runs as in both of their data sets.",
    "differences of steps that share runs and seeds (1 to 2, 2 to 3) are surer than the intervals look; see the table.",
    NEEDS,
    _figure_exponents,
    _draw_exponents,
    _found_exponents,
    PUBLIC,
)
FIGURE_ISOFLOPS = Figure(
    "isoflops",
    "Losses of the sizes at each budget, and their minima",
    "every budget has its minimum inside the sizes tried, and it moves to larger sizes with compute.",
    "a factor of 2 in N costs 1 to 3 % beside the .3 to .5 % between seeds.",
    NEEDS,
    _figure_isoflops,
    drawing(_LOSS_PANELS),
    _found_isoflops,
)
FIGURE_TUNING = Figure(
    "tuning",
    "The best rate, batch and beta2 of each size, without decay",
    "the rate falls and the batch grows with the size in the paper; beta2 of .95 is worse at small batches.",
    "three rates a factor of 2 apart, two batches, two beta2 and one seed: the best of neighbours is within noise; "
    "under muP the rate is not expected to fall with the width itself.",
    NEEDS,
    _figure_tuning,
    drawing(
        {
            "lr": Panel("rate", "N, parameters", "best rate at width 64"),
            "batch_tokens": Panel("batch", "N, parameters", "best batch, {unit}s", y_as=style.short),
            "beta2": Panel("beta2", "N, parameters", "best beta2", log_y=False),
        }
    ),
    _found_tuning,
)
TABLE_EXPONENTS = PaperTable(
    "exponents",
    "What each step moves, ours beside the paper's",
    "each step's cause, exponent and change with 95 % intervals; D/N is near its constant 20 only at the end.",
    NEEDS,
    _table_exponents,
)
TABLE_PUBLISHED = PaperTable(
    "published",
    "The authors' points by our analysis, beside what they print",
    "every printed exponent lies inside our interval, and ours inside theirs.",
    (),
    _table_published,
    PUBLIC,
)
