"""Figures 5 and 24: what the shape of a model does at one N, on the text of the runs and on others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Rows
from analysis.figures import style
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.cells import cells_of, other_texts, text_words
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.tidy import Panel, drawing, rows, tidy

SAME_N = 0.02  # share by which N may differ within a comparison at one N
USUAL_WIDTH = (3.0, 4.1)  # of the MLP over d_model, in a comparison of aspects
MIN_SHAPES = 3
ALPHA_N = PUBLISHED["kaplan2020"].params["alpha_N"]
SHAPE = ["n_layer", "d_model", "d_ff_ratio", "n_head"]
FF, ASPECT, HEAD = "MLP width", "aspect", "head size"


def of_one_size(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of the N that has most shapes; what little N differs by is taken out of the loss by L(N).

    Raises
    ------
    LackingRunsError
        There are too few shapes of one N.
    """
    sizes = cells["N"].to_numpy(float)
    near = [cells.loc[(sizes >= n) & (sizes <= n * (1 + SAME_N))] for n in sizes]
    most = max(near, key=len)
    if len(most) < MIN_SHAPES:
        raise LackingRunsError(f"shapes are compared at one N: {len(most)} of {MIN_SHAPES} have the same within 2 %")
    factor = (most["N"] / most["N"].median()) ** ALPHA_N
    return most.assign(**{name: most[name] * factor for name in most if name == "L" or name in other_texts(most)})


def varying(cells: pd.DataFrame, same: Sequence[str], varied: str) -> pd.DataFrame:
    """The cells that agree in some columns and have most values of another, in order of it."""
    groups = [group.drop_duplicates(varied) for _, group in cells.groupby(list(same))]
    return max(groups, key=len).sort_values(varied) if groups else cells


def of_usual_width(cells: pd.DataFrame) -> Rows:
    """Whether the MLP is three to four times as wide as the model."""
    return np.asarray(cells["d_ff_ratio"].between(*USUAL_WIDTH))


def by_depth(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of one N that differ in aspect."""
    return varying(cells.loc[of_usual_width(cells)], ["n_head"], "n_layer")


def _series(cells: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, Any]]:
    """By panel, its cells and their x."""
    heads = varying(cells, ["n_layer", "d_model", "d_ff_ratio"], "n_head")
    widths, depths = varying(cells, ["n_layer", "n_head"], "d_ff_ratio"), by_depth(cells)
    found = {
        FF: (widths, widths["d_ff_ratio"]),
        ASPECT: (depths, depths["d_model"] / depths["n_layer"]),
        HEAD: (heads, heads["d_model"] / heads["n_head"]),
    }
    return {panel: each for panel, each in found.items() if len(each[0]) >= MIN_SHAPES}


def _figure_5(evidence: Evidence) -> pd.DataFrame:
    cells, noise = cells_of(evidence.runs.frame, SHAPE)
    series = _series(of_one_size(cells))
    if not series:
        raise LackingRunsError(f"no setting of the shape has {MIN_SHAPES} values at one N with the others as they are")
    parts = []
    for panel, (shapes, x) in series.items():
        above = 100 * (shapes["L"] / shapes["L"].min() - 1)
        bar = 100 * noise / np.sqrt(shapes["n_seeds"])
        words = f"N = {style.short(float(np.median(shapes['N'])))}, 1 sd of the mean"
        parts.append(rows(panel, words, "points", x, above, low=above - bar, high=above + bar))
    return tidy(parts, evidence.unit)


def _found_5(table: pd.DataFrame) -> str:
    said = []
    for panel, part in table.groupby("panel", sort=False):
        flat = part.loc[part["y"] <= 2.0, "x"]
        worst = part.loc[part["y"].idxmax()]
        said.append(
            f"{panel} from {part['x'].min():.3g} to {part['x'].max():.3g}: within 2 % of the best from "
            f"{flat.min():.3g} to {flat.max():.3g}, at most {worst['y']:.2g} % above it (at {worst['x']:.3g})"
        )
    bars = (table["high"] - table["y"]).dropna()
    noise = f"; seeds move a mean by {bars.median():.2g} %" if len(bars) else "; no shape has two seeds"
    return "; ".join(said) + noise + "."


def _figure_24(evidence: Evidence) -> pd.DataFrame:
    frame = evidence.runs.frame
    texts = other_texts(frame)
    if not texts:
        raise LackingRunsError("no run was evaluated on another text (evaluation.extra_sets)")
    cells, noise = cells_of(frame, SHAPE, texts)
    depths = by_depth(of_one_size(cells))
    if len(depths) < MIN_SHAPES:
        raise LackingRunsError(f"{MIN_SHAPES} depths of one N are needed: there are {len(depths)}")
    parts = []
    for name in ("L", *texts):
        loss = depths[name]
        bar = noise * loss / np.sqrt(depths["n_seeds"])
        parts.append(
            rows("depth", text_words(name), "points", depths["n_layer"], loss, low=loss - bar, high=loss + bar)
        )
    return tidy(parts, evidence.unit)


def _found_24(table: pd.DataFrame) -> str:
    said = []
    for words, part in table.groupby("series", sort=False):
        at = part.sort_values("x")["y"].to_numpy(float)
        said.append(f"{words}: {100 * (at.max() / at.min() - 1):.2g} % between depths, the deepest {at[-1]:.3g} nats")
    own = table.loc[table["series"] == text_words("L")].set_index("x")["y"]
    others = [part.set_index("x")["y"] / own for words, part in table.groupby("series") if words != text_words("L")]
    moved = [100 * (ratio.iloc[-1] / ratio.iloc[0] - 1) for ratio in others]
    return "; ".join(said) + f"; from first to last depth the ratio to the own text moves by {moved[0]:+.2g} %."


FIGURE_5 = Figure(
    "5",
    "The shape of a model at one N",
    "a flat valley: over wide ranges of MLP width, aspect and head size the loss moves by a few %.",
    "two seeds a shape, so that .4 % show; the smallest widths have heads and MLPs of a few channels, where the "
    "valley must end.",
    ("kaplan/shape",),
    _figure_5,
    drawing(
        {
            FF: Panel(FF, "d_ff / d_model", "loss above the best, %", x_as=style.plain, log_y=False),
            ASPECT: Panel(ASPECT, "d_model / n_layer", "loss above the best, %", x_as=style.plain, log_y=False),
            HEAD: Panel(HEAD, "d_model / n_head", "loss above the best, %", x_as=style.plain, log_y=False),
        }
    ),
    _found_5,
)
FIGURE_24 = Figure(
    "24",
    "Depth and other texts",
    "the loss on another text follows that on the text of the runs: depth alone makes generalisation neither better "
    "nor worse.",
    "code is far from the text, so that its loss moves more between seeds than the text's own; a null result says so.",
    ("kaplan/shape",),
    _figure_24,
    drawing({"depth": Panel("", "layers at one N", "loss, nats/{unit}", x_as=style.plain)}),
    _found_24,
)
