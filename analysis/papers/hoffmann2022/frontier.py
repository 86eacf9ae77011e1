"""Figures 1, 2, 3, 4, A3 and A5: the compute-optimal size by the three approaches."""

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.frontier.frontier_line import Approach
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import Figure, public_table
from analysis.papers.hoffmann2022.evidence import Evidence
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy

TIER = ("reproduce-standard",)
COMPUTE, LOSS = "C = 6ND (N with head), FLOP", "held-out loss, nats/{unit}"
N_LABEL, D_LABEL = "N (with head), parameters", "D, {unit}s"
MODELS = {"Gopher": (2.8e11, 5.76e23), "Chinchilla": (7e10, 5.76e23), "GPT-3": (1.75e11, 3.14e23)}
"""Parameters and training FLOPs as the paper gives them."""
AT_GOPHER = {"1": (6.7e10, 5.76e23), "2": (6.7e10, 6.83e23)}
"""A size and its compute on the printed lines of approaches 1 and 2 (tables 3 and A3), which have no intercepts."""
MOST_POINTS = 40
BEYOND = 1e2  # of the largest budget, to which figure A3 goes
PARAMETRIC = PUBLISHED["hoffmann2022"]


def optimum(C: Array) -> tuple[Array, Array]:
    """N and D by the paper's approach 3, unrounded constants."""
    p = PARAMETRIC.params
    G = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    n_opt = G * (C / FLOPS_PER_PARAM_TOKEN) ** (p["beta"] / (p["alpha"] + p["beta"]))
    return n_opt, C / (FLOPS_PER_PARAM_TOKEN * n_opt)


def approach_rows(panel: str, approach: Approach, symbol: str, C: Array | None = None) -> list[pd.DataFrame]:
    """Points and line of one approach; the line over C, or over its points."""
    letter, exponent = ("a", approach.a) if symbol == "N" else ("b", approach.b)
    points = approach.points.iloc[:: max(1, len(approach.points) // MOST_POINTS)]
    at = style.span(points["C"], n=40) if C is None else C
    line = approach.n_opt(at) if symbol == "N" else approach.d_opt(at)
    number = approach.name[:1]
    return [
        rows(panel, f"approach {number}", "points", points["C"], points[f"{symbol}_opt"]),
        rows(panel, f"approach {number}: {letter} = {exponent:.2f}", "fit", at, line),
    ]


def published_lines(panel: str, C: Array) -> list[pd.DataFrame]:
    """The paper's three lines of N_opt, and Kaplan's."""
    parts = []
    for name, (size, flops) in AT_GOPHER.items():
        slope = PUBLISHED[f"hoffmann2022_approach{name}"].a or np.nan
        parts.append(rows(panel, f"approach {name}: {slope:.2f}", "fit", C, size * (C / flops) ** slope))
    parts.append(rows(panel, f"approach 3: {PARAMETRIC.a:.3f}", "fit", C, optimum(C)[0]))
    kaplan = PUBLISHED["kaplan2020"]
    coefficient = kaplan.n_opt_coefficient or np.nan
    return [*parts, rows(panel, "Kaplan et al.: .73", "paper", C, coefficient * C ** (kaplan.a or np.nan))]


def _figure_1(evidence: Evidence) -> pd.DataFrame:
    parts = [part for name in "123" for part in approach_rows("ours", evidence.approach(name), "N")]
    middle = evidence.approach("2").points
    parts.append(slope_through("ours", "slope .73 (Kaplan et al.)", middle["C"], middle["N_opt"], 0.73))
    parts.append(slope_through("ours", "slope .50 (Hoffmann et al.)", middle["C"], middle["N_opt"], 0.50))
    parts += published_lines("paper", style.span([1e18, 1e26], n=40))
    parts += [rows("paper", name, "points", [flops], [size]) for name, (size, flops) in MODELS.items()]
    return tidy(parts, evidence.unit)


def found_exponents(table: pd.DataFrame) -> str:
    """Legends of the fits of our own panels."""
    ours = table.loc[(table["kind"] == "fit") & (table["panel"] != "paper")]
    said = dict.fromkeys(series for series in ours["series"] if "=" in series)
    return "; ".join(said) + "."


def _at(flops: float, line: pd.DataFrame) -> float:
    """Height of a drawn line at a compute, in logs."""
    x, y = (np.log(line[name].to_numpy(float)) for name in ("x", "y"))
    return float(np.exp(np.interp(np.log(flops), x, y)))


def _found_1(table: pd.DataFrame) -> str:
    gopher = next(iter(MODELS.values()))
    lines = table.loc[(table["panel"] == "paper") & (table["kind"] == "fit")]
    there = [_at(gopher[1], line) for _, line in lines.groupby("series")]
    return (
        f"{found_exponents(table)[:-1]} (paper: .50, .49, .46). At Gopher's compute the paper's lines give "
        f"{style.short(min(there))} to {style.short(max(there))}, Gopher has {style.short(gopher[0])}."
    )


def _figure_2(evidence: Evidence) -> pd.DataFrame:
    approach = evidence.approach("1")
    points = approach.points.iloc[:: max(1, len(approach.points) // MOST_POINTS)]
    sizes = evidence.runs.frame["N"].to_dict()
    parts = [
        rows("curves", "runs", "curve", FLOPS_PER_PARAM_TOKEN * sizes[at] * tokens, loss, n_params=sizes[at])
        for at, (tokens, loss) in sorted(evidence.curves.items(), key=lambda item: sizes[item[0]])
    ]
    parts.append(rows("curves", "envelope", "points", points["C"], points["loss"]))
    for panel, symbol in (("size", "N"), ("tokens", "D")):
        parts += approach_rows(panel, approach, symbol)
        at = (approach.points["C"], approach.points[f"{symbol}_opt"])
        parts.append(slope_through(panel, "paper's slope, .50", *at, 0.50))
    return tidy(parts, evidence.unit)


def _figure_3(evidence: Evidence) -> pd.DataFrame:
    fitted, approach = evidence.approaches, evidence.approach("2")
    parts = []
    for piece in fitted.slices:
        group = fitted.equal_compute.iloc[piece.rows]
        colour = {"n_params": piece.train_flops}
        parts.append(rows("slices", "means over seeds", "points", group["N"], group["L"], **colour))
        if piece.problem is None:
            grid = style.span(group["N"], n=40)
            parts.append(rows("slices", "parabola", "fit", grid, piece.curve(grid), **colour))
            parts.append(rows("slices", "its minimum", "points", [piece.n_opt], [piece.loss], **colour))
    for panel, symbol in (("size", "N"), ("tokens", "D")):
        parts += approach_rows(panel, approach, symbol)
        published = PUBLISHED["hoffmann2022_approach2"]
        slope = (published.a if symbol == "N" else published.b) or np.nan
        at = (approach.points["C"], approach.points[f"{symbol}_opt"])
        parts.append(slope_through(panel, f"paper's slope, {slope:.2f}", *at, slope))
    return tidy(parts, evidence.unit)


def _found_3(table: pd.DataFrame) -> str:
    of_slices = table.loc[table["panel"] == "slices"]
    n_budgets, n_minima = (
        of_slices.loc[of_slices["series"] == name, "n_params"].nunique() for name in ("means over seeds", "its minimum")
    )
    return f"{n_minima} of {n_budgets} budgets have their minimum inside the grid; {found_exponents(table)}"


def _figure_4(evidence: Evidence) -> pd.DataFrame:
    law, cells = evidence.approaches.parametric, evidence.approaches.cells
    E, A, B, alpha, beta = (law.values[name] for name in ("E", "A", "B", "alpha", "beta"))
    sizes = style.span(cells["N"], beyond=0.3, n=120)
    budgets = style.span(cells["C"], beyond=0.1, n=60)
    parts = []
    for loss in np.linspace(cells["L"].min(), cells["L"].max(), 9):
        rest = loss - E - A * sizes**-alpha
        with np.errstate(invalid="ignore"):
            C = np.where(rest > 0, FLOPS_PER_PARAM_TOKEN * sizes * (B / np.maximum(rest, 1e-12)) ** (1 / beta), np.nan)
        inside = (budgets[0] <= C) & (budgets[-1] >= C)
        parts.append(rows("contours", "equal loss", "curve", C[inside], sizes[inside], n_params=loss))
    parts.append(rows("contours", "runs", "points", cells["C"], cells["N"], n_params=cells["L"]))
    best = law.optimal(budgets)
    parts.append(rows("contours", "efficient frontier", "fit", budgets, best.n_params))
    for piece in evidence.approaches.slices:
        group = evidence.approaches.equal_compute.iloc[piece.rows]
        grid = style.span(group["N"], beyond=0.2, n=40)
        predicted = law.predict(N=grid, D=piece.train_flops / (FLOPS_PER_PARAM_TOKEN * grid))
        parts.append(rows("slices", "means over seeds", "points", group["N"], group["L"], n_params=piece.train_flops))
        parts.append(rows("slices", "the law at this compute", "fit", grid, predicted, n_params=piece.train_flops))
    return tidy(parts, evidence.unit)


def _found_4(table: pd.DataFrame) -> str:
    slices = table.loc[table["panel"] == "slices"]
    off = []
    for _, of_budget in slices.groupby("n_params"):
        points, law = (of_budget.loc[of_budget["kind"] == kind] for kind in ("points", "fit"))
        off += list(np.log(points["y"]) - np.interp(np.log(points["x"]), np.log(law["x"]), np.log(law["y"])))
    frontier = table.loc[table["series"] == "efficient frontier"]
    x, y = (np.log(frontier[name].to_numpy(float)) for name in ("x", "y"))
    slope = float(np.polyfit(x, y, 1)[0])
    return f"N_opt grows as C^{slope:.2f} along the frontier; the law misses the means by {np.std(off):.2%} rms."


def _figure_a3(evidence: Evidence) -> pd.DataFrame:
    budgets = evidence.approaches.cells["C"].to_numpy(float)
    C = style.span([budgets.min(), budgets.max() * BEYOND], n=40)
    parts = []
    for panel, symbol in (("size", "N"), ("tokens", "D")):
        parts += [part for name in "123" for part in approach_rows(panel, evidence.approach(name), symbol, C)]
    table = public_table("hoffmann2022_projections")
    for name, group in table.groupby("approach"):
        flops = FLOPS_PER_PARAM_TOKEN * group["params"] * group["tokens"]
        parts.append(rows("paper", f"approach {name}, printed", "points", flops, group["params"]))
    parts += published_lines("paper", style.span([1e19, 2e28], n=40))
    return tidy(parts, evidence.unit)


def _found_a3(table: pd.DataFrame) -> str:
    fits = table.loc[(table["panel"] == "size") & (table["kind"] == "fit")]
    ends = fits.loc[fits["x"] == fits["x"].max(), "y"]
    apart = ends.max() / ends.min() - 1
    return (
        f"At {BEYOND:g} times the largest budget, {fits['x'].max():.2g} FLOP, the approaches give N of "
        f"{style.short(ends.min())} to {style.short(ends.max())}, {apart:.0%} apart."
    )


def _figure_a5(evidence: Evidence) -> pd.DataFrame:
    parts = []
    for name, C, n_opt, slope in evidence.exponents_by_third():
        every = slice(None, None, max(1, len(C) // 25))
        parts.append(rows("thirds", f"best size, {name} third", "points", C[every], n_opt[every]))
        drawn = slope_through("thirds", f"{name} third: a = {slope:.2f}", C, n_opt, slope.value)
        parts.append(drawn.assign(kind="fit", low=_ends(slope)[0], high=_ends(slope)[1]))
    return tidy(parts, evidence.unit)


def _ends(slope: Estimate) -> tuple[float, float]:
    return slope.ci95 or (np.nan, np.nan)


def _found_a5(table: pd.DataFrame) -> str:
    fits = table.loc[table["kind"] == "fit"].drop_duplicates("series")
    first, last = fits.iloc[0], fits.iloc[-1]
    if last["high"] < first["low"]:
        seen = "the last is below the first beyond noise: it bends down, as in the paper"
    elif last["low"] > first["high"]:
        seen = "the last is above the first beyond noise: it bends up, not down as in the paper"
    else:
        seen = "the intervals of the first and the last overlap, so that no curvature is seen (paper: it bends down)"
    return f"{'; '.join(fits['series'])}: {seen}."


SIZE = Panel("optimal size", COMPUTE, N_LABEL, x_as=style.power, shade=N_LABEL)
TOKENS = Panel("optimal tokens", COMPUTE, D_LABEL, x_as=style.power, y_as=style.short)
SIZES = Panel("optimal size", COMPUTE, N_LABEL, x_as=style.power, y_as=style.short)
PAPER = Panel("the paper's lines", "C, FLOP", "N, parameters", x_as=style.power, y_as=style.power)
SLICES = Panel("budgets", N_LABEL, LOSS, shade="C, FLOP", shade_as=style.power)

FIGURE_1 = Figure(
    "1",
    "Compute-optimal size by all three approaches",
    "the three lines lie together and are flatter than Kaplan's; in the paper Gopher lies far above them.",
    "two decades of compute: half-widths of a of .05, .02 and .05 tell .5 from .73.",
    TIER,
    _figure_1,
    drawing({"ours": SIZES, "paper": PAPER}),
    _found_1,
)
FIGURE_2 = Figure(
    "2",
    "Approach 1: the envelope of training curves",
    "the lowest curve at each compute is of a larger and larger model; its size and its tokens are power laws of C.",
    "twelve sizes, curves of 20 losses; the best size moves by whole sizes of the grid.",
    TIER,
    _figure_2,
    drawing({"curves": Panel("", COMPUTE, LOSS, x_as=style.power, shade=N_LABEL), "size": SIZES, "tokens": TOKENS}),
    found_exponents,
)
FIGURE_3 = Figure(
    "3",
    "Approach 2: IsoFLOP curves",
    "each budget is a valley; its lowest point moves to the right and down as budgets grow.",
    "a factor of 2.4 to each side of the minimum raises the loss by 3 to 8 %, seeds differ by .3 %.",
    TIER,
    _figure_3,
    drawing({"slices": SLICES, "size": SIZES, "tokens": TOKENS}),
    _found_3,
)
FIGURE_4 = Figure(
    "4",
    "Approach 3: contours of the fitted law, and slices of it",
    "contours of equal loss are valleys in N, with the efficient frontier through their leftmost points.",
    "the form: what the law misses beside the seeds' .3 % (the report of the sweep has the test).",
    TIER,
    _figure_4,
    drawing(
        {
            "contours": Panel(
                "", COMPUTE, N_LABEL, x_as=style.power, y_as=style.short, shade="loss", shade_as=style.plain
            ),
            "slices": SLICES,
        }
    ),
    _found_4,
)
FIGURE_A3 = Figure(
    "A3",
    "Predicted N and D",
    "the approaches agree where there are runs and part beyond: at a hundred times the compute by some ten per cent.",
    "differences of a of .01 are 5 % of N over two decades.",
    TIER,
    _figure_a3,
    drawing({"size": SIZES, "tokens": TOKENS, "paper": PAPER}),
    _found_a3,
    public=("hoffmann2022_projections",),
)
FIGURE_A5 = Figure(
    "A5",
    "Curvature of the frontier, by thirds",
    "the exponent falls from the first third to the last: N_opt bends down.",
    "hardly: each third is .7 decades, with some five sizes on its envelope, so its a is known to about .1.",
    TIER,
    _figure_a5,
    drawing({"thirds": SIZES}),
    _found_a5,
)
