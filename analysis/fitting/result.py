"""What a fit returns: frozen, printable, saved to JSON and read back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.optimum import Certificate
from analysis.laws.cost_model import SIX_ND, CostModel, derive_under, optimal_under
from analysis.laws.law import Law, Optimum
from analysis.to_html import estimate_rows, html_table, page, sentences
from analysis.to_json import document, to_json
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_json

FILE_VERSION = 1
NOT_CONVERGED = "not converged"
UNUSABLE = f"{NOT_CONVERGED}: do not use these parameters"
"""Warning of a fit without an optimum; a forecast or a report from it begins with it."""
WIDTH = 78  # of the table in characters


@dataclass(frozen=True)
class FitResult:
    """A fitted law, its uncertainty and the certificate of its optimum.

    Attributes
    ----------
    law : Law
        What was fitted.
    params, derived : mapping of str to Estimate
        The law's own parameters; and what follows from them (a, b, G, N_c, ...).
    draws : mapping of str to array
        Resampled parameters, shape (K,) each; empty without resampling.
    correlations : array (P, P)
        Correlations of the resampled log coefficients and exponents, in the order of ``params``.
    objective : float
    residual_rms : float
        Root mean square of ln L - ln L_hat, with n - P degrees of freedom.
    status : "converged", "bound" or "not converged"
    certificate : Certificate
    n_runs : int
    input_ranges : mapping of str to (low, high)
        Range of each input of the runs fitted, and of their C: forecasts say how far beyond they reach.
    dropped : tuple of {"run", "reason"}
    warnings : tuple of str
    settings : mapping
        Objective, delta, count, resampling and seed.
    holdout : mapping or None
        Forecast of the largest budgets, if it was made.
    checks : mapping
        "stderr_hessian" by parameter, from the sandwich; "ci95_profile", if profiles were asked for; "noise",
        the residuals beside the spread of seeds, and the p value of lack of fit, if there are replicates.
    cost : CostModel
        What the C of the runs is in N and D; optima and the exponents a and b are those under it.
    """

    law: Law
    params: Mapping[str, Estimate]
    derived: Mapping[str, Estimate]
    draws: Mapping[str, Array]
    objective: float
    residual_rms: float
    status: str
    certificate: Certificate
    n_runs: int
    input_ranges: Mapping[str, tuple[float, float]]
    dropped: tuple[Mapping[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    holdout: Mapping[str, Any] | None = None
    checks: Mapping[str, Any] = field(default_factory=dict)
    cost: CostModel = SIX_ND

    @property
    def law_name(self) -> str:
        """Name of the law."""
        return self.law.name

    @property
    def values(self) -> dict[str, float]:
        """Parameters without their errors."""
        return {name: estimate.value for name, estimate in self.params.items()}

    @property
    def correlations(self) -> Array | None:
        """Correlations of the resampled parameters (coefficients in logs); None without draws."""
        if not self.draws:
            return None
        columns = [np.log(d) if name in self.law.positive else d for name, d in self.draws.items()]
        with np.errstate(invalid="ignore"):  # a parameter that no resample moves has no correlation
            return np.atleast_2d(np.corrcoef(columns))

    def predict(self, **inputs: ArrayLike) -> Array:
        """Loss in nats per token at the inputs, in the units of the fit.

        Raises
        ------
        UserError
            An input that the law needs is missing, or one it does not know is given.
        """
        needed = set(self.law.power_inputs)
        if not needed <= set(inputs) <= set(self.law.inputs):
            raise UserError(
                f"{self.law.formula} takes {', '.join(self.law.inputs)}; given: {', '.join(inputs) or 'none'}"
            )
        return self.law.predict(self.values, **inputs)

    def optimal(self, train_flops: ArrayLike) -> Optimum:
        """Compute-optimal N and D at a budget, under the cost of the runs, and the loss there."""
        return optimal_under(self.cost, self.law, self.values, train_flops)

    def save(self, path: Path | str) -> None:
        """Write the result, draws included, as JSON."""
        write_json(Path(path), {"file_version": FILE_VERSION, **to_json(self), "draws": to_json(self.draws)})

    def summary(self) -> str:
        """The table a statistics package would print."""
        return fit_table(self)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.values.items())
        return f"<FitResult {self.law_name}: {values}; {self.n_runs} runs, {self.status}>"

    def _repr_html_(self) -> str:
        found = f"{self.n_runs} runs, {self.status}, residual rms {self.residual_rms:.3%}"
        table = html_table(estimate_rows({**self.params, **self.derived}))
        return page(f"{self.law_name}: {self.law.formula}", table, f"<p>{found}</p>", sentences(self.warnings))


@document.register
def _(fit: FitResult) -> dict[str, Any]:
    """The document of ``scaling-harness fit --json``."""
    return {
        "law": fit.law_name,
        "n_runs": fit.n_runs,
        "dropped": fit.dropped,
        "params": fit.params,
        "derived": fit.derived,
        "cost": fit.cost,
        "objective": fit.objective,
        "status": fit.status,
        "starts": {"tried": fit.certificate.tried, "agreeing": fit.certificate.agreeing},
        "gradient_norm": fit.certificate.gradient_norm,
        "condition": fit.certificate.condition,
        "distance_moved": fit.certificate.distance_moved,
        "bounds_hit": fit.certificate.bounds_hit,
        "residual_rms": fit.residual_rms,
        "input_ranges": fit.input_ranges,
        "holdout": fit.holdout,
        "checks": fit.checks,
        "warnings": fit.warnings,
        "settings": fit.settings,
    }


def build_estimates(
    law: Law, point: Mapping[str, float], draws: Mapping[str, Array], cost: CostModel = SIX_ND
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Estimates of the parameters and of what follows from them and the cost."""
    derived, drawn = derive_under(cost, law, point), derive_under(cost, law, draws) if draws else {}
    none = np.array([])
    return (
        {n: Estimate.from_draws(x, none if n in law.fixed else draws.get(n, none)) for n, x in point.items()},
        {name: Estimate.from_draws(float(value), drawn.get(name, none)) for name, value in derived.items()},
    )


def fit_table(result: FitResult) -> str:
    """Lay a result out as a statistics package does."""
    settings, certificate = result.settings, result.certificate
    lines = [
        result.law.formula.center(WIDTH).rstrip(),
        "=" * WIDTH,
        _pair("law", result.law_name, "runs", str(result.n_runs)),
        _pair("objective", f"{result.objective:.10g}", "dropped", str(len(result.dropped))),
        *_taken(settings.get("taken")),
        _pair("loss", str(settings.get("loss")), "delta", str(settings.get("delta"))),
        _pair("count of N", str(settings.get("count") or "as given"), "residual rms", f"{result.residual_rms:.3%}"),
        _pair("status", result.status, "starts agreeing", f"{certificate.agreeing} of {certificate.tried}"),
        _pair("gradient", f"{certificate.gradient_norm:.1e}", "condition", f"{certificate.condition:.2g}"),
        "-" * WIDTH,
        f"{'':10}{'value':>14}{'std. error':>14}{'[2.5 %':>16}{'97.5 %]':>16}",
        "-" * WIDTH,
        *(_row(name, estimate, name in result.law.fixed) for name, estimate in result.params.items()),
        "-" * WIDTH,
        *(_row(name, estimate) for name, estimate in result.derived.items()),
        "=" * WIDTH,
        *_correlations(result),
        f"intervals: {settings.get('resample')}, {settings.get('resamples')} resamples"
        if result.draws
        else "no intervals",
        *_checks(result),
        *(f"warning: {sentence}" for sentence in result.warnings),
    ]
    return "\n".join(lines)


def _taken(columns: Mapping[str, str] | None) -> list[str]:
    """What each letter of a table was taken from."""
    return [f"columns:    {', '.join(f'{letter} = {source}' for letter, source in columns.items())}"] if columns else []


def _pair(left: str, left_value: str, right: str, right_value: str) -> str:
    return f"{left + ':':12}{left_value:<32}{right + ':':18}{right_value}"


def _row(name: str, estimate: Estimate, held: bool = False) -> str:
    error = "held" if held else "" if estimate.stderr is None else f"{estimate.stderr:.4g}"
    low, high = ("", "") if estimate.ci95 is None else (f"{bound:.6g}" for bound in estimate.ci95)
    return f"{name:10}{estimate.value:>14.7g}{error:>14}{low:>16}{high:>16}"


def _checks(result: FitResult) -> list[str]:
    """Standard errors from the Hessian, and profile intervals, beside those of the resamples."""
    errors = result.checks.get("stderr_hessian", {})
    lines = [f"std. errors by Hessian: {', '.join(f'{k} {v:.4g}' for k, v in errors.items())}"] if errors else []
    profiles = result.checks.get("ci95_profile", {})
    spans = [
        f"{name} " + (f"[{span[0]:.5g}, {span[1]:.5g}]" if span else "unbounded") for name, span in profiles.items()
    ]
    return [*lines, *([f"intervals by profile: {', '.join(spans)}"] if spans else []), *_noise(result.checks)]


def _noise(checks: Mapping[str, Any]) -> list[str]:
    """Residuals beside the spread of seeds."""
    if "noise" not in checks:
        return []
    noise = checks["noise"]
    sizes = f"residuals {noise['residual_rms']:.3%} rms, seeds {noise['seed_rms']:.3%}"
    lack = "" if noise["lack_of_fit_p"] is None else f", lack of fit p = {noise['lack_of_fit_p']:.2g}"
    return [f"{sizes}: a ratio of {noise['ratio']:.2f}{lack}"]


def _correlations(result: FitResult) -> list[str]:
    """Strongly correlated pairs, coefficients in logs."""
    matrix = result.correlations
    if matrix is None:
        return []
    names = list(result.draws)
    pairs = [
        f"{names[i]},{names[j]} {matrix[i, j]:+.2f}"
        for i in range(len(names))
        for j in range(i)
        if abs(matrix[i, j]) > 0.8
    ]
    return [f"correlations above 0.8: {'; '.join(pairs)}"] if pairs else []
