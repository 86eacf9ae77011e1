"""What a fit returns: frozen, printable, saved to JSON and read back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from analysis.arrays import Array
from analysis.fitting.optimum import Certificate
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN, Law, Optimum, derive
from analysis.laws.registry import LAWS
from analysis.to_json import json_form
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_json

CI_LEVEL = 0.95
FILE_VERSION = 1


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and 95 % interval (None where no resampling was asked for)."""

    value: float
    stderr: float | None = None
    ci95: tuple[float, float] | None = None

    @classmethod
    def from_draws(cls, value: float, draws: ArrayLike) -> "Estimate":
        """Percentile interval of resampled values; draws that are not finite are left out.

        There is no standard error where the draws are too far apart for one (G of a fit that is hardly identified).
        """
        kept = np.asarray(draws, float)
        kept = kept[np.isfinite(kept)]
        if len(kept) < 2:
            return cls(float(value))
        tail = 50 * (1 - CI_LEVEL)
        low, high = np.percentile(kept, [tail, 100 - tail])
        with np.errstate(over="ignore"):
            stderr = float(kept.std(ddof=1))
        return cls(float(value), stderr if np.isfinite(stderr) else None, (float(low), float(high)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return json_form({"value": self.value, "stderr": self.stderr, "ci95": self.ci95})

    @classmethod
    def of_mean(cls, values: ArrayLike) -> "Estimate":
        """Mean of a sample with Student's interval; the mean alone where there is one value."""
        sample = np.asarray(values, float)
        if len(sample) < 2:
            return cls(float(sample.mean()))
        mean, stderr = float(sample.mean()), float(sample.std(ddof=1) / len(sample) ** 0.5)
        half = float(student.ppf((1 + CI_LEVEL) / 2, len(sample) - 1)) * stderr
        return cls(mean, stderr, (mean - half, mean + half))

    def __str__(self) -> str:
        if self.ci95 is None:
            return f"{self.value:.5g}"
        return f"{self.value:.5g} [{self.ci95[0]:.5g}, {self.ci95[1]:.5g}]"


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
        Of the resampled log coefficients and exponents, in the order of ``params``.
    objective : float
    residual_rms : float
        Root mean square of ln L - ln L_hat, with n - P degrees of freedom.
    status : "converged", "bound" or "not converged"
    certificate : Certificate
    n_runs : int
    input_ranges : mapping of str to (low, high)
        Range of each input in the fit: forecasts say how far beyond they reach.
    dropped : tuple of {"run", "reason"}
    warnings : tuple of str
    settings : mapping
        Objective, delta, count, resampling and seed.
    holdout : mapping or None
        Forecast of the largest budgets, where it was made.
    checks : mapping
        "stderr_hessian" by parameter, from the sandwich; "ci95_profile", where profiles were asked for; "noise",
        the residuals beside the spread of seeds, and the p value of lack of fit, where there are replicates.
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

    def optimal(self, train_flops: ArrayLike, flops_per_param_token: float = FLOPS_PER_PARAM_TOKEN) -> Optimum:
        """Compute-optimal N and D at a budget, and the loss there."""
        return self.law.optimal(self.values, train_flops, flops_per_param_token)

    def optimal_draws(self, train_flops: float) -> Optimum:
        """The same for every resample: intervals on N*, D*, D/N and the loss."""
        return self.law.optimal(self.draws, train_flops)

    def decades_beyond(self, **inputs: ArrayLike) -> Array:
        """How many decades the inputs lie outside the range of the fit (0 inside), the worst of them."""
        beyond = [np.zeros(())]
        for name, (low, high) in self.input_ranges.items():
            if name not in inputs:
                continue
            value = np.asarray(inputs[name], float)
            beyond.append(np.maximum(np.log10(value / high), np.log10(low / value)))
        return np.max(np.broadcast_arrays(*beyond), axis=0)

    def to_dict(self) -> dict[str, Any]:
        """The document of ``scaling-harness fit --json``; None stands for what is not a finite number."""
        document = {
            "law": self.law_name,
            "n_runs": self.n_runs,
            "dropped": self.dropped,
            "params": {name: estimate.to_dict() for name, estimate in self.params.items()},
            "derived": {name: estimate.to_dict() for name, estimate in self.derived.items()},
            "objective": self.objective,
            "status": self.status,
            "starts": {"tried": self.certificate.tried, "agreeing": self.certificate.agreeing},
            "gradient_norm": self.certificate.gradient_norm,
            "condition": self.certificate.condition,
            "distance_moved": self.certificate.distance_moved,
            "bounds_hit": self.certificate.bounds_hit,
            "residual_rms": self.residual_rms,
            "input_ranges": self.input_ranges,
            "holdout": self.holdout,
            "checks": self.checks,
            "warnings": self.warnings,
            "settings": self.settings,
        }
        return json_form(document)

    def save(self, path: Path | str) -> None:
        """Write the result, draws included, as JSON."""
        write_json(Path(path), {"file_version": FILE_VERSION, **self.to_dict(), "draws": json_form(self.draws)})

    def summary(self) -> str:
        """The table a statistics package would print."""
        from analysis.fitting.result_text import fit_table

        return fit_table(self)

    def __str__(self) -> str:
        return self.summary()


def load(path: Path | str, law: Law | None = None) -> FitResult:
    """Read a saved result.

    Parameters
    ----------
    path : Path or str
        Of `FitResult.save`.
    law : Law, optional
        What was fitted, for a law of your own; those of ``laws.LAWS`` are found by their name.

    Returns
    -------
    FitResult

    Raises
    ------
    UserError
        The file is missing, not JSON, not a fit of this version, or of another law.
    """
    try:
        document = json.loads(Path(path).read_text())
        if document["file_version"] != FILE_VERSION:
            raise UserError(f"{path} has fit version {document['file_version']}, not {FILE_VERSION}: fit again")
        return _from_document(document, _law_of(document["law"], law, path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a saved fit: write one with `fit --out`") from error


def _law_of(name: str, given: Law | None, path: Path | str) -> Law:
    """The law of a saved fit."""
    law = given or LAWS.get(name)
    if law is None or law.name != name:
        raise UserError(f"{path} is a fit of the law {name!r}, which is not known here: give it, load(path, law=...)")
    return law


def _from_document(document: dict[str, Any], law: Law) -> FitResult:
    plain = ("status", "n_runs", "settings", "holdout")
    return FitResult(
        law=law,
        params=_estimates(document["params"]),
        derived=_estimates(document["derived"]),
        draws={name: np.array(values, float) for name, values in document["draws"].items()},
        objective=_number(document["objective"]),
        residual_rms=_number(document["residual_rms"]),
        certificate=Certificate(
            **document["starts"],
            converged=document["status"] != "not converged",
            bounds_hit=tuple(document["bounds_hit"]),
            gradient_norm=_number(document["gradient_norm"]),
            condition=_number(document["condition"]),
            distance_moved=_number(document["distance_moved"]),
        ),
        input_ranges={name: tuple(span) for name, span in document["input_ranges"].items()},
        dropped=tuple(document["dropped"]),
        checks=document.get("checks", {}),
        warnings=tuple(document["warnings"]),
        **{name: document[name] for name in plain},
    )


def _number(value: float | None) -> float:
    """A number of the document, NaN where it has none."""
    return float("nan") if value is None else value


def _estimates(document: Mapping[str, Any]) -> dict[str, Estimate]:
    return {
        name: Estimate(
            _number(row["value"]),
            row["stderr"],
            None if row["ci95"] is None else tuple(row["ci95"]),
        )
        for name, row in document.items()
    }


def build_estimates(
    law: Law, point: Mapping[str, float], draws: Mapping[str, Array]
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Estimates of the parameters and of what follows from them."""
    derived, drawn = derive(law, point), derive(law, draws) if draws else {}
    none = np.array([])
    return (
        {name: Estimate.from_draws(value, draws.get(name, none)) for name, value in point.items()},
        {name: Estimate.from_draws(float(value), drawn.get(name, none)) for name, value in derived.items()},
    )
