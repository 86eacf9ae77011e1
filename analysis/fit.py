"""One function that fits any law to any table of runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.design import check_rows
from analysis.laws import LAWS, Array, Law, Rows
from analysis.objective import Objective
from analysis.point import Point, fit_point
from analysis.resample import unit_draws
from analysis.result import FitResult, build_estimates
from scaling_harness.errors import UserError

Loss = Literal["log_huber", "raw_huber", "log_squares", "raw_squares"]
Resample = Literal["cases", "residuals", "none"]
FEW_CLUSTERS = 15


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


def law_named(law: Law | str) -> Law:
    """A law, or the one of that name."""
    if isinstance(law, Law):
        return law
    if law not in LAWS:
        raise UserError(f"law {law!r} is not known; choose from {', '.join(LAWS)}")
    return LAWS[law]


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
    starts: int = 32,
    seed: int = 0,
) -> FitResult:
    """Fit a scaling law.

    Parameters
    ----------
    law : Law or str
        The law, or its name in ``laws.LAWS``.
    runs : Runs or DataFrame
        Columns N (parameters), D (tokens), C (FLOP) as the law needs them, and L (nats a token).
    loss : str
        Huber (Hoffmann et al. 2022, eq. 3) or squares, on residuals of ln L or of L, summed.
    delta : float
        Huber's threshold, in units of the residual.
    weights : str, optional
        Column of weights.
    clusters : str, optional
        Column naming runs that belong together (checkpoints of one run): resampled as one.
    resample : {"cases", "residuals", "none"}
        What the intervals come from: whole rows (or clusters) drawn again, as for observed tables;
        or, for a designed grid of few points, new noise of the residuals' size on the fitted loss.
    resamples : int
        How many resamples the intervals come from.
    starts : int
        Starting points of the point fit.
    seed : int
        Of the resampling.

    Returns
    -------
    FitResult

    Raises
    ------
    HarnessError
        Fewer rows than parameters, losses that are not positive, or a design that cannot identify
        the law.
    """
    law, objective = law_named(law), objective_named(loss, delta)
    frame, dropped, count = _table(runs)
    inputs, y = _columns(law, frame)
    design_warnings = check_rows(law, inputs, y)
    weight = None if weights is None else frame[weights].to_numpy(float)
    point = fit_point(law, inputs, y, objective, weight, starts)
    labels = None if clusters is None else frame[clusters].to_numpy()
    rng = np.random.default_rng(seed)
    draws = resample_params(point, resample, resamples, rng, labels)
    settings = {"loss": loss, "delta": delta, "count": count, "weights": weights, "clusters": clusters}
    settings |= {"resample": resample, "resamples": resamples, "seed": seed}
    sentences = [*design_warnings, *_cluster_warnings(labels)]
    return assemble(point, draws, dropped=dropped, settings=settings, warnings=sentences)


def assemble(
    point: Point,
    draws: Mapping[str, Array],
    *,
    dropped: tuple[Mapping[str, str], ...] = (),
    settings: Mapping[str, Any],
    warnings: Sequence[str] = (),
) -> FitResult:
    """The result of a certified optimum and its resampled parameters."""
    params, derived = build_estimates(point.law, point.params, draws)
    ranges = {name: (float(x.min()), float(x.max())) for name, x in point.inputs.items()}
    return FitResult(
        law_name=point.law.name,
        params=params,
        derived=derived,
        draws=draws,
        objective=point.value,
        residual_rms=residual_rms(point),
        status=_status(point),
        certificate=point.certificate,
        n_runs=len(point.log_loss),
        input_ranges=ranges,
        dropped=dropped,
        warnings=(*warnings, *_fit_warnings(point)),
        settings=settings,
    )


def _table(runs: Any) -> tuple[pd.DataFrame, tuple[Mapping[str, str], ...], str | None]:
    """Frame, dropped rows and count of N from Runs or a bare DataFrame."""
    if isinstance(runs, pd.DataFrame):
        return runs, (), None
    return runs.frame, runs.dropped, runs.count


def _columns(law: Law, frame: pd.DataFrame) -> tuple[dict[str, Array], Array]:
    """Inputs of the law and the loss, as arrays."""
    missing = [name for name in (*law.inputs, "L") if name not in frame]
    if missing:
        raise UserError(
            f"the table has no column {', '.join(missing)}, which {law.formula} needs; "
            "name it with --columns, as in N=params,D=tokens,loss=loss"
        )
    return {name: frame[name].to_numpy(float) for name in law.inputs}, frame["L"].to_numpy(float)


def resample_params(
    point: Point, resample: Resample, resamples: int, rng: np.random.Generator, labels: Rows | None = None
) -> dict[str, Array]:
    """Parameters of every resample, all solved together."""
    if resample == "none" or resamples < 2:
        return {}
    if resample == "cases":
        counts = case_weights(len(point.log_loss), resamples, rng, labels)
        solution = point.refit(weights=counts * point.weights)
    else:
        sd = residual_rms(point) / np.sqrt(point.weights / point.weights.mean())
        dof = len(point.log_loss) - len(point.law.params)
        noise = unit_draws(len(point.log_loss), resamples, dof, rng) * sd
        solution = point.refit(log_loss=point.log_loss - point.residuals + noise)
    return point.model.to_natural(solution.z_KP)


def case_weights(n_rows: int, resamples: int, rng: np.random.Generator, labels: Rows | None = None) -> Array:
    """How often each row is drawn, (K, n); rows with one label are drawn together."""
    if labels is None:
        return rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=resamples).astype(float)
    _, group = np.unique(labels, return_inverse=True)
    n_groups = group.max() + 1
    drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=resamples)
    return drawn[:, group].astype(float)


def residual_rms(point: Point) -> float:
    """Root mean square log residual with n - P degrees of freedom."""
    squares = (point.weights * point.residuals**2).sum() / point.weights.mean()
    return float(np.sqrt(squares / max(1, len(point.log_loss) - len(point.law.params))))


def _status(point: Point) -> str:
    if not point.certificate.converged:
        return "not converged"
    return "bound" if point.certificate.bounds_hit else "converged"


def _fit_warnings(point: Point) -> list[str]:
    """Sentences on the optimum."""
    certificate, sentences = point.certificate, []
    if not certificate.converged:
        sentences.append("not converged: do not use these parameters")
    for name in certificate.bounds_hit:
        zero = name == point.law.offset
        what = "runs to zero: these runs do not show an irreducible loss" if zero else "stopped at its bound"
        sentences.append(f"{name} {what}")
    if certificate.tried > 1 and certificate.agreeing < max(2, certificate.tried // 5):
        sentences.append(
            f"only {certificate.agreeing} of {certificate.tried} starts found this optimum: "
            "others may be as good, give more starts"
        )
    return sentences


def _cluster_warnings(labels: Rows | None) -> list[str]:
    n_clusters = FEW_CLUSTERS if labels is None else len(np.unique(labels))
    if n_clusters >= FEW_CLUSTERS:
        return []
    return [f"{n_clusters} clusters: a cluster bootstrap needs about {FEW_CLUSTERS} to be trusted"]
