"""The table behind each figure: what is drawn, a row a point, with units in the names of its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from analysis.figures.diagnostics import residual_percent, seed_half_width
from analysis.fitting.goodness_of_fit import OffsetProfile
from analysis.fitting.result import FitResult
from analysis.frontier.approach2_isoflop import Slice
from analysis.frontier.approaches import Approaches
from analysis.frontier.one_variable_laws import OneVariableLaw
from analysis.hyperparameters.gradient_noise import NoisePoint
from analysis.runs.budgets import budget_groups
from analysis.runs.curves import Points
from analysis.runs.selection import Runs

LETTERS = {"N": "n_params", "D": "n_tokens", "C": "train_flops", "L": "loss_nats", "N_opt": "n_params_optimal"}
LETTERS |= {"D_opt": "n_tokens_optimal", "loss": "loss_nats", "predicted": "predicted_loss_nats"}


def of_curves(runs: Runs, curves: Mapping[object, Points]) -> pd.DataFrame:
    """Each point of each training curve."""
    sizes = runs.frame["N"]
    names = runs.frame["run"] if "run" in runs.frame else runs.frame.index.to_series()
    drawn, lengths = list(curves), [len(tokens) for tokens, _ in curves.values()]
    tokens, loss = (np.concatenate(values) for values in zip(*curves.values(), strict=True))
    run, size = (np.repeat(column.loc[drawn].to_numpy(), lengths) for column in (names, sizes))
    return _named(pd.DataFrame({"run": run, "N": size, "D": tokens, "C": 6 * size * tokens, "L": loss}))


def of_parabolas(cells: pd.DataFrame, pieces: Sequence[Slice]) -> pd.DataFrame:
    """Each mean with the parabola there, and the minimum of its budget."""
    parts = []
    for piece in pieces:
        group = cells.iloc[piece.rows][["N", "D", "C", "L"]]
        at_best = {"N_opt": piece.n_opt, "loss_optimal_nats": piece.loss, "left_out": piece.problem}
        parts.append(group.assign(budget_flops=piece.train_flops, parabola_nats=piece.curve(group.N), **at_best))
    return _named(pd.concat(parts, ignore_index=True))


def of_frontier(approaches: Approaches) -> pd.DataFrame:
    """The points of each approach."""
    parts = [each.points.assign(approach=name) for name, each in approaches.approaches.items()]
    return _named(pd.concat(parts, ignore_index=True))


def of_law(law: FitResult, cells: pd.DataFrame) -> pd.DataFrame:
    """Each mean, what the law says of it, and the residual."""
    predicted = law.predict(N=cells["N"], D=cells["D"])
    shown = cells[["N", "D", "C", "L", "n_seeds"]]
    return _named(shown.assign(predicted=predicted, residual_percent=residual_percent(law, cells)))


def of_one_variable(laws: Mapping[str, OneVariableLaw]) -> pd.DataFrame:
    """The points of each law, and what it says without and with E."""
    parts = []
    for law in laws.values():
        x = law.points[law.variable]
        fits = {"power_law_nats": law.plain, "with_offset_nats": law.offset}
        said = {name: fitted.predict(**{law.variable: x}) for name, fitted in fits.items() if fitted}
        parts.append(law.points[[law.variable, "L"]].assign(law=f"L({law.variable})", **said))
    return _named(pd.concat(parts, ignore_index=True))


def of_forecast(points: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Each mean held out, with the forecasts and their intervals; and the means of the last budget fitted."""
    ends = {"low": "low_nats", "high": "high_nats", "mixture": "mixture_nats"}
    ends |= {"mixture_low": "mixture_low_nats", "mixture_high": "mixture_high_nats"}
    wanted = ["N", "D", "C", "L", "n_seeds", "predicted", *ends]
    kept = cells.loc[cells["C"] < points["C"].min()]
    last = kept.iloc[budget_groups(kept["C"].to_numpy())[-1]].filter(["N", "D", "C", "L", "n_seeds"])
    held = points.filter(wanted).rename(columns=ends).assign(seed_half_width_nats=seed_half_width(points))
    return _named(pd.concat([held.assign(held_out=True), last.assign(held_out=False)], ignore_index=True))


def of_offset(profile: OffsetProfile) -> pd.DataFrame:
    """E and the F statistic there."""
    return pd.DataFrame({"E_nats": profile.grid, "f_statistic": profile.statistic}).sort_values("E_nats")


def of_noise_scale(points: Sequence[NoisePoint]) -> pd.DataFrame:
    """Each point with its interval, and those without a value with the reason."""
    frame = pd.DataFrame([asdict(point) for point in points]).rename(columns={"tokens": "noise_scale_tokens"})
    ends = [point.ci95 or (np.nan, np.nan) for point in points]
    low, high = np.array(ends).T
    return frame.drop(columns="ci95").assign(low_tokens=low, high_tokens=high)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns=LETTERS)
