"""One function that fits any law to any table of runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.fitting.cost_of_runs import cost_of, cost_sentences
from analysis.fitting.estimate import Estimate
from analysis.fitting.goodness_of_fit import fit_quality
from analysis.fitting.identifiability import check_rows
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.fitting.profile import Profile, profile, profile_intervals
from analysis.fitting.resample import Resample, draw_params, method_warnings
from analysis.fitting.result import NOT_CONVERGED, UNUSABLE, FitResult, build_estimates
from analysis.fitting.sandwich import standard_errors
from analysis.laws.cost_model import SIX_ND, CostModel
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN, Law
from analysis.laws.registry import law_named
from analysis.runs.replicates import SeedNoise, design_cells, seed_noise
from scaling_harness.errors import HarnessError, UserError

Loss = Literal["log_huber", "raw_huber", "log_squares", "raw_squares"]
LOSSES: tuple[Loss, ...] = ("log_huber", "raw_huber", "log_squares", "raw_squares")
FEW_CLUSTERS = 15
MANY_ROWS = 20_000  # more: the case bootstrap is the sandwich to all digits printed, at a thousandth of its cost
NOISE_WEIGHTS = "noise"
REASONS_SHOWN = 4
COLUMNS_SHOWN = 15
ADDED_COLUMNS = {"N", "D", "C", "L", "U", "S", "run", "seed"}  # by reading a table: none that its author named


def objective_named(loss: Loss, delta: float) -> Objective:
    """The objective behind a name; ``delta`` counts for Huber's only."""
    kinds = {"log_huber": ("log", delta), "raw_huber": ("raw", delta)}
    kinds |= {"log_squares": ("log", np.inf), "raw_squares": ("raw", np.inf)}
    if loss not in kinds:
        raise UserError(f"loss {loss!r} is not one of {', '.join(kinds)}")
    if not delta > 0:
        raise UserError(f"delta is {delta}: Huber's threshold must be positive, 1e-3 is usual")
    residual, threshold = kinds[loss]
    return Objective("raw" if residual == "raw" else "log", threshold)


def fit(
    law: Law | str,
    runs: Any,
    *,
    loss: Loss = "log_huber",
    delta: float = 1e-3,
    weights: str | None = None,
    clusters: str | None = None,
    resample: Resample = "cases",
    resamples: int = 1000,
    profiles: bool = False,
    starts: int = 32,
    seed: int = 0,
) -> FitResult:
    """Fit a scaling law.

    Parameters
    ----------
    law : Law or str
        The law, or its name in ``registry.LAWS``.
    runs : Runs or DataFrame
        Columns N (parameters), D (tokens), C (FLOP) as the law needs them, and what it predicts: L (nats a token).
    loss : str
        Huber (Hoffmann et al. 2022, eq. 3) or squares, on residuals of ln L or of L, summed.
    delta : float
        Huber's threshold, in units of the residual.
    weights : str, optional
        Column of weights, or "noise": one over the variance between seeds.
    clusters : str, optional
        Column naming runs that belong together (checkpoints of one run): resampled as one.
    resample : {"cases", "residuals", "noise", "sandwich", "none"}
        What the intervals come from, see ``resample.draw_params``: "cases" for observed tables,
        "noise" for a designed grid of few points. Beyond 20,000 rows cases become sandwich.
    resamples : int
        How many resamples the intervals come from.
    profiles : bool
        Profile every parameter as a cross-check, not E alone.
    starts : int
        Starting points of the point fit.
    seed : int
        Seed of the resampling.

    Returns
    -------
    FitResult

    Raises
    ------
    UserError
        A column that is not there, weights that are not positive, rows without a cluster, or
        resamples that are fewer than two and not none.
    HarnessError
        Fewer rows than parameters, losses that are not positive, or a design that cannot identify
        the law.
    """
    law, objective = law_named(law), objective_named(loss, delta)
    frame, dropped, count = _table(runs)
    inputs, y = _columns(law, frame)
    sentences = check_rows(law, inputs, y)
    noise = _noise_of(frame)
    point = fit_point(law, inputs, y, objective, _weights(frame, weights, noise), starts)
    labels = None if clusters is None else _labels(frame, clusters)
    method: Resample = "sandwich" if resample == "cases" and len(y) > MANY_ROWS else resample
    draws = draw_params(point, method, resamples, np.random.default_rng(seed), labels, noise)
    cost = cost_of(frame)
    settings = {"loss": loss, "delta": delta, "count": count, "weights": weights, "clusters": clusters}
    settings |= {"resample": method, "resamples": resamples, "seed": seed}
    settings |= {name: value for name in ("fixed", "tied") if (value := getattr(law, name))}
    sentences = [*cost_sentences(cost), *sentences, *_left_out(dropped), *_cluster_warnings(labels)]
    return assemble(
        point,
        draws,
        dropped=dropped,
        settings=settings,
        warnings=[*sentences, *method_warnings(point, method)],
        checks=_checks(point, labels, profiles) | _noise_check(point, frame, noise) if draws else {},
        offset=_offset_profile(point) if draws else None,
        cost=cost,
        spent=_spent(frame, inputs),
    )


def _checks(point: Point, labels: Rows | None, profiles: bool) -> dict[str, Any]:
    """Standard errors and intervals got in other ways than the draws."""
    intervals = {"ci95_profile": profile_intervals(point)} if profiles and labels is None else {}
    return {"stderr_hessian": standard_errors(point, labels), **intervals}


def _noise_check(point: Point, frame: pd.DataFrame, noise: SeedNoise | None) -> dict[str, Any]:
    """Residuals beside the spread of seeds, and the lack-of-fit test, if (N, D) were trained with several seeds."""
    if noise is None or noise.sd == 0.0 or point.n_rows > MANY_ROWS or not {"N", "D", "C"} >= set(point.law.inputs):
        return {}
    quality = fit_quality(point.law, design_cells(frame), noise, point.residual_rms)
    weights = point.weights / point.weights.mean()  # of single runs, as the residuals
    seed_rms = float(np.sqrt((weights * noise.of_runs(frame) ** 2).mean()))
    sizes = {"residual_rms": point.residual_rms, "seed_rms": seed_rms, "ratio": point.residual_rms / seed_rms}
    lack = {name: getattr(quality, name) for name in ("lack_of_fit_p", "lack_of_fit_p_falling")}
    return {"noise": sizes | lack}


def _offset_profile(point: Point) -> Profile | None:
    """Profile of E, if the law has one and the rows are few enough for it to matter."""
    if not point.law.offset or point.law.offset in point.law.fixed or point.n_rows > MANY_ROWS:
        return None
    return profile(point, point.law.offset)


def assemble(
    point: Point,
    draws: Mapping[str, Array],
    *,
    dropped: tuple[Mapping[str, str], ...] = (),
    settings: Mapping[str, Any],
    warnings: Sequence[str] = (),
    checks: Mapping[str, Any] | None = None,
    offset: Profile | None = None,
    cost: CostModel = SIX_ND,
    spent: Array | None = None,
) -> FitResult:
    """The result of a certified optimum and its resampled parameters; E without interval if unidentified.

    ``spent`` is the compute of each run: how far beyond the runs a budget lies is told by it.
    """
    params, derived = build_estimates(point.law, point.params, draws, cost)
    unidentified = _unidentified(offset, ", in nats" if point.law.predicts == "L" else "")
    if unidentified and offset:
        params[offset.name] = Estimate(params[offset.name].value)
    spans = point.inputs if spent is None else {**point.inputs, "C": spent}
    ranges = {name: (float(x.min()), float(x.max())) for name, x in spans.items()}
    return FitResult(
        law=point.law,
        params=params,
        derived=derived,
        draws=draws,
        objective=point.value,
        residual_rms=point.residual_rms,
        status=_status(point),
        certificate=point.certificate,
        n_runs=len(point.log_loss),
        input_ranges=ranges,
        dropped=dropped,
        warnings=(*warnings, *_fit_warnings(point), *unidentified),
        settings=settings,
        checks=checks or {},
        cost=cost,
    )


def _unidentified(offset: Profile | None, unit: str) -> list[str]:
    """Sentence for an irreducible loss, or steps, that the profile does not bound on both sides."""
    if offset is None or offset.identified:
        return []
    below = "" if offset.high is None else f" up to {offset.high:.3g}"
    above = "" if offset.low is None else f" from {offset.low:.3g}"
    return [f"{offset.name} unidentified: these runs allow any value{above}{below}{unit}; it has no interval"]


def _table(runs: Any) -> tuple[pd.DataFrame, tuple[Mapping[str, str], ...], str | None]:
    """Frame, dropped rows and count of N from Runs or a bare DataFrame."""
    if isinstance(runs, pd.DataFrame):
        return runs, (), None
    return runs.frame, runs.dropped, runs.count


def _columns(law: Law, frame: pd.DataFrame) -> tuple[dict[str, Array], Array]:
    """Inputs of the law and what it predicts, as arrays."""
    missing = [name for name in (*law.inputs, law.predicts) if name not in frame]
    if missing:
        raise UserError(
            f"the table has no column {', '.join(missing)}, which {law.formula} needs; it has {_own_columns(frame)}: "
            "name it with --columns, as in N=params,D=tokens,loss=loss"
        )
    return {name: _numbers(frame, name) for name in law.inputs}, _numbers(frame, law.predicts)


def _spent(frame: pd.DataFrame, inputs: Mapping[str, Array]) -> Array | None:
    """C of each run, 6 N D if the table has none; None if it cannot be told."""
    given = _numbers(frame, "C") if "C" in frame else np.array([np.nan])
    if (np.isfinite(given) & (given > 0)).all():
        return given
    return FLOPS_PER_PARAM_TOKEN * inputs["N"] * inputs["D"] if {"N", "D"} <= set(inputs) else None


def _numbers(frame: pd.DataFrame, name: str) -> Array:
    """A column as floats, NaN if it holds text: `check_rows` counts those."""
    return np.asarray(pd.to_numeric(frame[name], errors="coerce"), float)


def _column(frame: pd.DataFrame, name: str) -> Rows:
    if name not in frame:
        raise UserError(f"the table has no column {name!r}; it has {', '.join(map(str, frame.columns))}")
    return frame[name].to_numpy()


def _own_columns(frame: pd.DataFrame) -> str:
    """Names of the columns of a table before it was read, for a message."""
    names = [str(name) for name in frame.columns if name not in ADDED_COLUMNS]
    more = f" and {len(names) - COLUMNS_SHOWN} more" if len(names) > COLUMNS_SHOWN else ""
    return ", ".join(names[:COLUMNS_SHOWN]) + more


def _labels(frame: pd.DataFrame, name: str) -> Rows:
    """Number of each row's cluster."""
    labels, clusters = pd.factorize(_column(frame, name))
    if (labels < 0).any():
        raise UserError(f"{(labels < 0).sum()} rows have no cluster in column {name!r}: name one, or drop them")
    if len(clusters) < 2:
        raise HarnessError(f"all runs are one cluster by column {name!r}: there is nothing to draw again")
    return labels


def weights_of(frame: pd.DataFrame, weights: str | None) -> Array | None:
    """Weight of each row as `fit` takes it: a column, or "noise"; None for equal ones."""
    return _weights(frame, weights, _noise_of(frame))


def _noise_of(frame: pd.DataFrame) -> SeedNoise | None:
    """Spread between seeds of one (N, D), if there are any."""
    return seed_noise(design_cells(frame)) if {"N", "D", "C"} <= set(frame) else None


def _weights(frame: pd.DataFrame, weights: str | None, noise: SeedNoise | None) -> Array | None:
    """Weight of each row: a column, or one over the variance of seeds, of mean one."""
    if weights is None:
        return None
    if weights != NOISE_WEIGHTS:
        _column(frame, weights)
        given = _numbers(frame, weights)
        if not (np.isfinite(given) & (given > 0)).all():
            raise UserError(f"column {weights!r} has weights that are not positive numbers: drop those rows")
        return given
    if noise is None or noise.sd == 0.0:
        raise UserError("weights 'noise' needs runs of several seeds at one (N, D): this table has none")
    precision = noise.at(frame["N"].to_numpy(float)) ** -2
    return precision / precision.mean()


def _status(point: Point) -> str:
    if not point.certificate.converged:
        return NOT_CONVERGED
    return "bound" if point.certificate.bounds_hit else "converged"


def _fit_warnings(point: Point) -> list[str]:
    """Sentences on the optimum."""
    certificate, sentences = point.certificate, []
    if not certificate.converged:
        sentences.append(UNUSABLE)
    sentences += [_bound_sentence(point, name) for name in certificate.bounds_hit]
    if certificate.tried > 1 and certificate.agreeing < max(2, certificate.tried // 5):
        sentences.append(
            f"only {certificate.agreeing} of {certificate.tried} starts found this optimum: "
            "others may be as good, give more starts"
        )
    return sentences


def _bound_sentence(point: Point, name: str) -> str:
    """Which bound holds a parameter, and what that says of an irreducible loss."""
    low, high = point.model.bounds(float(np.exp(point.log_loss.min())))
    i = point.model.position[name]
    if name == point.law.offset:  # bounded below alone
        what = "an irreducible loss" if point.law.predicts == "L" else f"a lower limit of {point.law.predicts}"
        return f"{name} runs to zero, its lower bound: these runs do not show {what}"
    side, bound = ("lower", low[i]) if point.z_P[i] <= low[i] else ("upper", high[i])
    value = float(np.exp(bound)) if name in point.law.positive else float(bound)
    return f"{name} stopped at its {side} bound, {value:g}"


def _left_out(dropped: tuple[Mapping[str, str], ...]) -> list[str]:
    """How many runs were left out for each reason, the commonest first."""
    counts = Counter(row["reason"] for row in dropped).most_common()
    shown = [f"{n} of the runs given left out: {reason}" for reason, n in counts[:REASONS_SHOWN]]
    return [*shown, f"and {len(counts) - REASONS_SHOWN} other reasons"] if len(counts) > REASONS_SHOWN else shown


def _cluster_warnings(labels: Rows | None) -> list[str]:
    n_clusters = FEW_CLUSTERS if labels is None else len(np.unique(labels))
    if n_clusters >= FEW_CLUSTERS:
        return []
    return [f"{n_clusters} clusters: a cluster bootstrap needs about {FEW_CLUSTERS} to be trusted"]
