"""Chinchilla's three approaches on the same runs, with one bootstrap between them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import envelope, isoflop
from analysis.cells import SeedNoise, design_cells, seed_noise
from analysis.design import check_rows
from analysis.fit import assemble, residual_rms
from analysis.laws import Array, chinchilla
from analysis.objective import Objective
from analysis.point import Point, fit_point
from analysis.resample import cell_sd, unit_draws
from analysis.result import Estimate, FitResult
from analysis.runs import Runs
from scaling_harness.errors import HarnessError

MIN_BUDGETS = 3
PAIRS = (("1", "2"), ("1", "3"), ("2", "3"))
ASYMMETRY = 1.25


@dataclass(frozen=True)
class Approach:
    """One way to the exponents of N_opt ~ C^a and D_opt ~ C^b.

    Attributes
    ----------
    name : "1", "2" or "3"
    a, b : Estimate
        NaN where the points do not allow a line.
    points : DataFrame
        C, N_opt, D_opt, loss: what the lines go through.
    log_coefficients : (float, float)
        ln N_opt and ln D_opt at C = 1 FLOP, for drawing.
    excluded : tuple of {"what", "reason"}
    warnings : tuple of str
    a_draws, b_draws : array (K,)
    """

    name: str
    a: Estimate
    b: Estimate
    points: pd.DataFrame
    log_coefficients: tuple[float, float]
    excluded: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    a_draws: Array
    b_draws: Array

    def n_opt(self, train_flops: Array) -> Array:
        """N_opt on the fitted line."""
        return np.exp(self.log_coefficients[0] + self.a.value * np.log(train_flops))

    def d_opt(self, train_flops: Array) -> Array:
        """D_opt on the fitted line."""
        return np.exp(self.log_coefficients[1] + self.b.value * np.log(train_flops))


@dataclass(frozen=True)
class Approaches:
    """All three, on one set of cells and one set of noise draws.

    ``differences`` holds a_i - a_j by "i-j"; ``envelope`` is None without training curves.
    """

    approaches: Mapping[str, Approach]
    differences: Mapping[str, Estimate]
    parametric: FitResult
    cells: pd.DataFrame
    noise: SeedNoise | None
    slices: tuple[isoflop.Slice, ...]
    envelope: envelope.Envelope | None

    @property
    def agree(self) -> bool | None:
        """Whether every difference of a has zero in its interval; None without two approaches."""
        intervals = [d.ci95 for d in self.differences.values() if d.ci95 is not None]
        return all(low <= 0 <= high for low, high in intervals) if intervals else None


def three_approaches(
    runs: Runs, *, curves: Mapping[object, envelope.Points] | None = None, resamples: int = 1000, seed: int = 0
) -> Approaches:
    """Fit the compute-optimal frontier by approaches 1, 2 and 3.

    Parameters
    ----------
    runs : Runs
        Of `load_runs`.
    curves : mapping, optional
        Of `envelope.curves_of`, read from the runs by default. Without any, approach 1 is left empty
        with the reason.
    resamples, seed : int
        Noise draws, shared by the approaches.

    Returns
    -------
    Approaches

    Raises
    ------
    HarnessError
        Too few runs for the parametric fit.
    """
    cells = design_cells(runs.frame)
    noise = seed_noise(cells)
    point, sentences = _parametric_point(cells)
    dof = noise.dof if noise else max(1, len(cells) - len(chinchilla.params))
    draws = unit_draws(len(cells), resamples, dof, np.random.default_rng(seed))
    found = isoflop.slices(cells)
    scatter = isoflop.scatter_rms(cells, found)
    sd = cell_sd(cells, noise, scatter if np.isfinite(scatter) else residual_rms(point))
    curves = envelope.curves_of(runs) if curves is None else curves
    traced = envelope.build(runs, cells, curves) if curves else None
    third, parametric = _third(runs, point, sentences, cells, noise, draws)
    each = {
        "1": _first(traced, cells, sd * draws),
        "2": _second(found, cells, sd * draws, parametric),
        "3": third,
    }
    return Approaches(each, _differences(each), parametric, cells, noise, tuple(found), traced)


def _parametric_point(cells: pd.DataFrame) -> tuple[Point, list[str]]:
    """Chinchilla's law on cell means, each weighted by its seeds; and what is weak in their design."""
    inputs = {name: cells[name].to_numpy() for name in chinchilla.inputs}
    sentences = check_rows(chinchilla, inputs, cells.L.to_numpy())
    weights = cells.n_seeds.to_numpy(float)
    return fit_point(chinchilla, inputs, cells.L.to_numpy(), Objective(), weights), sentences


def _third(
    runs: Runs, point: Point, sentences: list[str], cells: pd.DataFrame, noise: SeedNoise | None, draws: Array
) -> tuple[Approach, FitResult]:
    """Approach 3: the frontier of the parametric law; noise goes on the fitted losses."""
    sd = cell_sd(cells, noise, residual_rms(point))
    refitted = point.refit(log_loss=point.log_loss - point.residuals + sd * draws)
    resampled = point.model.to_natural(refitted.z_KP)
    settings = {"loss": "log_huber", "delta": point.objective.delta, "count": runs.count}
    settings |= {"resample": "noise", "resamples": len(draws), "rows": "cells, weighted by seeds"}
    result = assemble(point, resampled, dropped=runs.dropped, settings=settings, warnings=sentences)
    budgets = np.array([cells.C.iloc[rows].mean() for rows in isoflop.budget_groups(cells.C.to_numpy())])
    best = result.optimal(budgets)
    points = pd.DataFrame({"C": budgets, "N_opt": best.n_params, "D_opt": best.n_tokens, "loss": best.loss_nats})
    a, b = result.derived["a"], result.derived["b"]
    at_one = (np.log(best.n_params[0]) - a.value * np.log(budgets[0]),)
    at_one += (np.log(best.n_tokens[0]) - b.value * np.log(budgets[0]),)
    total = resampled["alpha"] + resampled["beta"]
    shares = resampled["beta"] / total, resampled["alpha"] / total
    return Approach("3", a, b, points, at_one, (), result.warnings, *shares), result


def _second(found: list[isoflop.Slice], cells: pd.DataFrame, noise: Array, parametric: FitResult) -> Approach:
    """Approach 2: lines through the vertices of the usable parabolas, N and D each on its own."""
    usable = [piece for piece in found if piece.problem is None]
    excluded = tuple(
        {"what": f"budget {piece.train_flops:.3g} FLOP", "reason": piece.problem} for piece in found if piece.problem
    )
    columns = {"C": "train_flops", "N_opt": "n_opt", "D_opt": "d_opt", "loss": "loss"}
    points = pd.DataFrame({name: [getattr(piece, field) for piece in usable] for name, field in columns.items()})
    if len(usable) < MIN_BUDGETS:
        return _empty("2", points, excluded, f"{len(usable)} budgets with a bracketed minimum")
    vertices = [_vertex_draws(cells.iloc[piece.rows], noise[:, piece.rows]) for piece in usable]
    log_n, log_d = (np.stack(columns, axis=1) for columns in zip(*vertices, strict=True))
    return _lines("2", points, log_n, log_d, excluded, _second_warnings(usable, cells, log_n, parametric))


def _vertex_draws(group: pd.DataFrame, noise_Kn: Array) -> tuple[Array, Array]:
    """Ln N_opt and ln D_opt of one budget for every resample."""
    loss_Kn = group.L.to_numpy() * np.exp(noise_Kn)
    log_n, _ = isoflop.vertex_of(np.log(group.N.to_numpy()), loss_Kn)
    log_d, _ = isoflop.vertex_of(np.log(group.D.to_numpy()), loss_Kn)
    return log_n, log_d


def _second_warnings(
    usable: list[isoflop.Slice], cells: pd.DataFrame, log_n_KB: Array, parametric: FitResult
) -> list[str]:
    sentences = []
    for piece, drawn in zip(usable, log_n_KB.T, strict=True):
        sizes = np.log(cells.N.iloc[piece.rows].to_numpy())
        outside = float(((drawn <= sizes.min()) | (drawn >= sizes.max())).mean())
        if outside > 0.1:
            sentences.append(f"budget {piece.train_flops:.3g}: {outside:.0%} of resamples put the minimum at the edge")
        if len(sizes) < isoflop.ENOUGH_SIZES:
            sentences.append(f"budget {piece.train_flops:.3g}: only {len(sizes)} sizes carry its parabola")
    alpha, beta = parametric.values["alpha"], parametric.values["beta"]
    if not 1 / ASYMMETRY < alpha / max(beta, 1e-12) < ASYMMETRY:
        sentences.append(
            f"alpha {alpha:.2f} and beta {beta:.2f} differ: a parabola's minimum is then biased (Czech et al. 2026)"
        )
    return sentences


def _first(traced: envelope.Envelope | None, cells: pd.DataFrame, noise: Array) -> Approach:
    """Approach 1: lines through the sizes on the envelope; the FLOPs used are those of the data itself."""
    columns = ["C", "N_opt", "D_opt", "loss"]
    if traced is None:
        return _empty("1", pd.DataFrame(columns=columns, dtype=float), (), "no run has a training curve")
    kept = np.flatnonzero(traced.kept)
    log_size, flops = np.log(cells.N.to_numpy()), traced.train_flops[kept]
    log_n = log_size[traced.winner[kept]]
    loss = np.exp(traced.log_loss[traced.winner[kept], kept])
    points = pd.DataFrame(dict(zip(columns, (flops, np.exp(log_n), flops / (6 * np.exp(log_n)), loss), strict=True)))
    if len(np.unique(log_n)) < MIN_BUDGETS:
        return _empty("1", points, traced.reasons, f"{len(np.unique(log_n))} sizes on the envelope")
    losses = traced.log_loss[:, kept]
    drawn = np.stack([log_size[(losses + shift[:, None]).argmin(axis=0)] for shift in noise])
    return _lines("1", points, drawn, np.log(flops / 6) - drawn, traced.reasons, _first_warnings(traced, log_n))


def _first_warnings(traced: envelope.Envelope, log_n: Array) -> list[str]:
    sentences = []
    n_sizes = len(np.unique(log_n))
    if n_sizes < isoflop.ENOUGH_SIZES:
        sentences.append(f"only {n_sizes} sizes on the envelope: its steps are coarse")
    if traced.in_last_part < 0.5:
        sentences.append(
            f"{1 - traced.in_last_part:.0%} of the envelope lies before the last {envelope.END_OF_RUN:.0%} of a run, "
            "where the learning rate has not decayed: those losses are too high"
        )
    return sentences


def _lines(
    name: str,
    points: pd.DataFrame,
    log_n_KP: Array,
    log_d_KP: Array,
    excluded: tuple[Mapping[str, str], ...],
    warnings: list[str],
) -> Approach:
    """Straight lines of ln N_opt and ln D_opt in ln C, for the points and for every resample."""
    log_c = np.log(points.C.to_numpy())
    lines = []
    for values, drawn in ((points.N_opt, log_n_KP), (points.D_opt, log_d_KP)):
        slope, intercept = np.polyfit(log_c, np.log(values.to_numpy()), 1)
        lines.append((float(slope), float(intercept), _slopes(log_c, drawn)))
    (a, at_n, a_draws), (b, at_d, b_draws) = lines
    estimates = Estimate.from_draws(a, a_draws), Estimate.from_draws(b, b_draws)
    return Approach(name, *estimates, points, (at_n, at_d), tuple(excluded), tuple(warnings), a_draws, b_draws)


def _slopes(x: Array, y_KP: Array) -> Array:
    centred = x - x.mean()
    return y_KP @ centred / (centred @ centred)


def _empty(name: str, points: pd.DataFrame, excluded: tuple[Mapping[str, str], ...], reason: str) -> Approach:
    """An approach that these runs do not allow."""
    nan, none = float("nan"), np.array([])
    sentence = f"approach {name} gives no exponent: {reason}, at least {MIN_BUDGETS} are needed"
    return Approach(name, Estimate(nan), Estimate(nan), points, (nan, nan), tuple(excluded), (sentence,), none, none)


def _differences(each: Mapping[str, Approach]) -> dict[str, Estimate]:
    """a_i - a_j from the same noise draws."""
    return {
        f"{i}-{j}": Estimate.from_draws(each[i].a.value - each[j].a.value, each[i].a_draws - each[j].a_draws)
        for i, j in PAIRS
        if len(each[i].a_draws) and len(each[j].a_draws)
    }


def require_any(found: Approaches) -> None:
    """Refuse to go on where no approach gave an exponent.

    Raises
    ------
    HarnessError
    """
    if all(np.isnan(approach.a.value) for approach in found.approaches.values()):
        raise HarnessError("no approach gives an exponent on these runs: " + found.approaches["2"].warnings[0])
