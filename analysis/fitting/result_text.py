"""A fit as text: values, errors, intervals, correlations, status, warnings."""

from collections.abc import Mapping
from typing import Any

from analysis.fitting.result import Estimate, FitResult

WIDTH = 78


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
        *(_row(name, estimate) for name, estimate in result.params.items()),
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


def _row(name: str, estimate: Estimate) -> str:
    error = "" if estimate.stderr is None else f"{estimate.stderr:.4g}"
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
