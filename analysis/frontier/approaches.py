"""Chinchilla's three approaches on the same runs, with one bootstrap between them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.fitting.cost_of_runs import cost_of, cost_sentences
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import assemble
from analysis.fitting.identifiability import check_rows
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.fitting.resample import cell_sd, unit_draws
from analysis.fitting.result import FitResult
from analysis.frontier import approach1_envelope as envelope
from analysis.frontier import approach2_akima as akima
from analysis.frontier import approach2_bias as bias_of
from analysis.frontier import approach2_isoflop as isoflop
from analysis.frontier.approach1_envelope import Envelope
from analysis.frontier.common_compute import CommonCompute, at_common_compute
from analysis.frontier.decayed_envelope import decayed_envelope, winning_sizes
from analysis.frontier.frontier_line import MIN_BUDGETS, Approach, Drawn, approach_through, empty_approach
from analysis.laws.chinchilla import chinchilla
from analysis.laws.cost_model import CostModel, optimal_under
from analysis.laws.law import Law, frontier
from analysis.runs.budgets import budget_groups
from analysis.runs.curves import Curves, Points, curves_of
from analysis.runs.replicates import SeedNoise, design_cells, seed_noise
from analysis.runs.selection import Runs
from analysis.runs.table_curves import split_curves
from analysis.runs.trunk_effect import TrunkEffect, trunk_effect

PAIRS = (("1", "2"), ("1", "3"), ("2", "3"))
ASYMMETRY = 1.25
NEGLIGIBLE = 0.002  # of a: 1 % of N_opt in two decades of C
AS_PUBLISHED = "1 as published"
HULL_WARNING = "the lower hull follows the luckiest runs: it lowers the loss and is another estimand than the envelope"


@dataclass(frozen=True)
class Approaches:
    """All three, on one set of cells and one set of noise draws.

    ``parametric`` is approach 3, L = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022) and no other; ``beside`` holds
    the fits of other laws by their names.
    Approach 1 reads final losses (``decayed``, `decayed_envelope`) if four sizes were trained to several budgets, and
    then shares its data with approach 2; else the envelope of the training curves, as published.
    ``differences`` holds a_i - a_j by "i-j"; ``envelope`` is that of the training curves, None without any.
    ``slices`` are those of ``equal_compute``: the cells, interpolated along D where C varies within a budget.
    ``variants`` holds "1 as published" (if approach 1 reads final losses), "1 hull" (lower hull of its envelope),
    "2 akima" (interpolation instead of the parabola), "2 corrected" (the parabola's bias, ``parabola_bias``, taken off)
    and each law of ``beside``;
    ``variant_differences`` each variant's a minus approach 3's.
    """

    approaches: Mapping[str, Approach]
    differences: Mapping[str, Estimate]
    parametric: FitResult
    cells: pd.DataFrame
    noise: SeedNoise | None
    equal_compute: pd.DataFrame
    slices: tuple[isoflop.Slice, ...]
    envelope: Envelope | None
    decayed: Envelope | None = None
    variants: Mapping[str, Approach] = field(default_factory=dict)
    variant_differences: Mapping[str, Estimate] = field(default_factory=dict)
    parabola_bias: bias_of.ParabolaBias | None = None
    beside: Mapping[str, FitResult] = field(default_factory=dict)

    def __repr__(self) -> str:
        each = ", ".join(f"{approach.a:.3f} by {name}" for name, approach in self.approaches.items())
        return f"<Approaches: a = {each}>"

    @property
    def agree(self) -> bool | None:
        """Whether every difference of a is noise or negligible; None without two approaches."""
        known = [d for d in self.differences.values() if d.ci95 is not None]
        return not any(map(differs, known)) if known else None


def differs(difference: Estimate) -> bool:
    """Whether a difference of a is beyond noise, and large enough for a decision to rest on it."""
    interval = difference.ci95
    return interval is not None and not interval[0] <= 0 <= interval[1] and abs(difference.value) > NEGLIGIBLE


def three_approaches(
    runs: Runs,
    *,
    beside: Sequence[Law] = (),
    curves: Mapping[object, Points] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Approaches:
    """Fit the compute-optimal frontier by approaches 1, 2 and 3.

    Parameters
    ----------
    runs : Runs
        From `load_runs`.
    beside : sequence of Law
        Laws with one term in N and one in D that are fitted beside approach 3, whose law is Chinchilla's.
    curves : mapping, optional
        From `curves.curves_of`, read from the runs by default; approach 1 needs them unless sizes have several budgets.
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
    curves = curves_of(runs) if curves is None else curves
    if runs.checkpoints and not curves:
        runs, curves = split_curves(runs)
    cells = design_cells(runs.frame)
    noise = seed_noise(cells)
    point, sentences = _parametric_point(cells, chinchilla)
    shared = trunk_effect(runs.frame)
    draws = _noise_draws(cells, noise, shared, resamples, seed)
    level = at_common_compute(cells)
    pieces = isoflop.slices(level.cells)
    scatter = isoflop.run_scatter(level.cells, pieces)
    sd = cell_sd(cells, noise, scatter if np.isfinite(scatter) else point.run_scatter)
    cost = cost_of(cells)
    traced = envelope.build(runs, cells, curves, cost) if curves else None
    sentences = [*cost_sentences(cost), *sentences, *([shared.sentence()] if shared else [])]
    third, parametric = _third("3", runs, point, sentences, cells, noise, draws, cost)
    others = {
        law.name: _third(law.name, runs, *_parametric_point(cells, law), cells, noise, draws, cost)
        for law in beside
        if law is not chinchilla
    }
    noise_KR = sd * draws
    level_noise_KR = noise_KR @ level.weights.T
    second, corrected, bias = _second(pieces, level, level_noise_KR, parametric)
    decayed, first, variants = _first_of(traced, cells, noise_KR, cost)
    if isinstance(curves, Curves):
        first = replace(first, warnings=(*curves.notes, *first.warnings))
    each = {"1": first, "2": second, "3": third}
    variants |= {
        akima.NAME: akima.akima_approach(level.cells, level.cells.log_loss.to_numpy() + level_noise_KR),
        **({bias_of.NAME: corrected} if corrected else {}),
        **{name: approach for name, (approach, _) in others.items()},
    }
    apart = {name: difference for name, variant in variants.items() if (difference := _difference(variant, third))}
    return Approaches(
        approaches=each,
        differences=_differences(each),
        parametric=parametric,
        cells=cells,
        noise=noise,
        equal_compute=level.cells,
        slices=tuple(pieces),
        envelope=traced,
        decayed=decayed,
        variants=variants,
        variant_differences=apart,
        parabola_bias=bias,
        beside={name: result for name, (_, result) in others.items()},
    )


def _noise_draws(
    cells: pd.DataFrame, noise: SeedNoise | None, shared: TrunkEffect | None, resamples: int, seed: int
) -> Array:
    """Noise of unit scale of every cell, of which those of one trunk share a part."""
    dof = noise.dof if noise else max(1, len(cells) - chinchilla.n_free)
    share = shared.share if shared else 0.0
    if shared:
        dof = shared.dof_of(dof, len(cells) / cells.N.nunique())
    return unit_draws(len(cells), resamples, dof, np.random.default_rng(seed), cells.N.to_numpy(), share)


def _parametric_point(cells: pd.DataFrame, law: Law) -> tuple[Point, list[str]]:
    """A law through cell means, each weighted by its seeds; and what is weak in their design."""
    inputs = {name: cells[name].to_numpy() for name in law.inputs}
    sentences = check_rows(law, inputs, cells.L.to_numpy())
    weights = cells.n_seeds.to_numpy(float)
    return fit_point(law, inputs, cells.L.to_numpy(), Objective(), weights), sentences


def _third(
    name: str,
    runs: Runs,
    point: Point,
    sentences: list[str],
    cells: pd.DataFrame,
    noise: SeedNoise | None,
    draws: Array,
    cost: CostModel,
) -> tuple[Approach, FitResult]:
    """Approach 3, or another law beside it: the frontier of a parametric law; noise goes on the fitted losses."""
    sd = cell_sd(cells, noise, point.run_scatter)
    refitted = point.refit(log_loss=point.log_loss - point.residuals + sd * draws)
    resampled = point.model.to_natural(refitted.z_KP)
    settings = {"loss": "log_huber", "delta": point.objective.delta, "count": runs.count}
    settings |= {"resample": "noise", "resamples": len(draws), "rows": "cells, weighted by seeds"}
    spent = cells.C.to_numpy(float)
    result = assemble(
        point, resampled, dropped=runs.dropped, settings=settings, warnings=sentences, spent=spent, cost=cost
    )
    budgets = np.array([cells.C.iloc[rows].mean() for rows in budget_groups(cells.C.to_numpy())])
    best = result.optimal(budgets)
    points = pd.DataFrame({"C": budgets, "N_opt": best.n_params, "D_opt": best.n_tokens, "loss": best.loss_nats})
    if not cost.proportional:
        with np.errstate(invalid="ignore", over="ignore"):
            drawn = optimal_under(cost, point.law, {k: v[:, None] for k, v in resampled.items()}, budgets)
            each = Drawn(np.log(drawn.n_params)), Drawn(np.log(drawn.n_tokens))
        return approach_through(name, points, *each, (), result.warnings), result
    a, b = result.derived["a"], result.derived["b"]
    at_one = (np.log(best.n_params[0]) - a.value * np.log(budgets[0]),)
    at_one += (np.log(best.n_tokens[0]) - b.value * np.log(budgets[0]),)
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw with both exponents at zero has no allocation
        shares = frontier(resampled, point.law)
    return Approach(name, a, b, points, at_one, (), result.warnings, shares["a"], shares["b"]), result


def _second(
    pieces: list[isoflop.Slice], level: CommonCompute, noise: Array, parametric: FitResult
) -> tuple[Approach, Approach | None, bias_of.ParabolaBias | None]:
    """Approach 2 through the vertices of the usable parabolas; the same without the parabola's bias; the bias."""
    cells = level.cells
    usable = [piece for piece in pieces if piece.problem is None]
    excluded = tuple(
        {"what": f"budget {piece.train_flops:.3g} FLOP", "reason": piece.problem} for piece in pieces if piece.problem
    )
    columns = {"C": "train_flops", "N_opt": "n_opt", "D_opt": "d_opt", "loss": "loss"}
    points = pd.DataFrame({name: [getattr(piece, field) for piece in usable] for name, field in columns.items()})
    if len(usable) < MIN_BUDGETS:
        empty = empty_approach("2", points, excluded, f"{len(usable)} budgets with a bracketed minimum")
        return replace(empty, warnings=(*empty.warnings, *level.warnings)), None, None
    vertices = [_vertex_draws(cells.iloc[piece.rows], noise[:, piece.rows]) for piece in usable]
    drawn = tuple(np.stack(columns, axis=1) for columns in zip(*vertices, strict=True))
    second = approach_through("2", points, Drawn(drawn[0]), Drawn(drawn[1]), excluded)
    corrected, bias = bias_of.corrected(second, usable, cells, parametric, (drawn[0], drawn[1]))
    weak = (*level.warnings, *_second_warnings(usable, cells, drawn[0], parametric))
    warnings = (*weak, *([bias.sentence()] if bias.matters else []))
    return replace(second, warnings=warnings), corrected and replace(corrected, warnings=weak), bias


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
    alpha = parametric.values["alpha"]
    beta = parametric.values.get("beta", alpha)
    if not 1 / ASYMMETRY < alpha / max(beta, 1e-12) < ASYMMETRY:
        sentences.append(
            f"alpha {alpha:.2f} and beta {beta:.2f} differ: a parabola's minimum is then biased (Czech et al. 2026), "
            "and what it misses counts as noise: at three to one, 99 % of such intervals held the truth in simulations"
        )
    return sentences


def _first_of(
    traced: Envelope | None, cells: pd.DataFrame, noise: Array, cost: CostModel
) -> tuple[Envelope | None, Approach, dict[str, Approach]]:
    """Approach 1 through final losses if the sizes allow it, else through curves; its envelope, and its variants."""

    def winners(kept: Rows) -> Array:
        assert traced is not None
        return _winning_sizes(traced.log_loss[:, kept], log_size, noise)

    log_size = np.log(cells.N.to_numpy())
    published = _first("1", traced, log_size, winners, cost)
    found = decayed_envelope(cells)
    if found is None:
        return None, published, {"1 hull": _first("1 hull", traced, log_size, winners, cost)}
    final, curves = found
    losses = cells.log_loss.to_numpy() + noise
    sizes = np.log([curve.n_params for curve in curves])
    first, hull = (
        _first(name, final, sizes, lambda kept: winning_sizes(curves, losses, kept), cost) for name in ("1", "1 hull")
    )
    return final, first, {AS_PUBLISHED: replace(published, name=AS_PUBLISHED), "1 hull": hull}


def _first(
    name: str,
    traced: Envelope | None,
    log_size: Array,
    winners: Callable[[Rows], Array],
    cost: CostModel,
) -> Approach:
    """Approach 1: lines through the sizes on an envelope; the FLOPs used are those of the data itself."""
    columns = ["C", "N_opt", "D_opt", "loss"]
    if traced is None:
        return empty_approach(name, pd.DataFrame(columns=columns, dtype=float), (), "no run has a training curve")
    kept = traced.on_hull if name == "1 hull" else np.flatnonzero(traced.kept)
    flops = traced.train_flops[kept]
    log_n = log_size[traced.winner[kept]]
    loss = np.exp(traced.log_loss[traced.winner[kept], kept])
    tokens = cost.tokens(flops, np.exp(log_n))
    points = pd.DataFrame(dict(zip(columns, (flops, np.exp(log_n), tokens, loss), strict=True)))
    if len(np.unique(log_n)) < MIN_BUDGETS:
        return empty_approach(name, points, traced.reasons, f"{len(np.unique(log_n))} sizes on the envelope")
    drawn = winners(kept)
    warnings = _first_warnings(traced, log_n) if name == "1" else [HULL_WARNING]
    return approach_through(name, points, Drawn(drawn), Drawn(cost.log_tokens(flops, drawn)), traced.reasons, warnings)


def _winning_sizes(log_loss: Array, log_size: Array, noise: Array) -> Array:
    """Ln N of the lowest curve at each FLOP, for every resample; cells that no noise makes the lowest are left out."""
    highest = (log_loss + noise.max(axis=0)[:, None]).min(axis=0)
    found = np.empty((len(noise), log_loss.shape[1]))
    for j, able in enumerate((log_loss + noise.min(axis=0)[:, None] <= highest).T):
        found[:, j] = log_size[able][(log_loss[able, j] + noise[:, able]).argmin(axis=1)]
    return found


def _first_warnings(traced: Envelope, log_n: Array) -> list[str]:
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


def _differences(each: Mapping[str, Approach]) -> dict[str, Estimate]:
    """a_i - a_j from the same noise draws."""
    return {f"{i}-{j}": apart for i, j in PAIRS if (apart := _difference(each[i], each[j]))}


def _difference(first: Approach, second: Approach) -> Estimate | None:
    """Difference of a from the same noise draws; None if one has none."""
    if not (len(first.a_draws) and len(second.a_draws)):
        return None
    return Estimate.from_draws(first.a.value - second.a.value, first.a_draws - second.a_draws)
