"""One side of a forecast or a comparison: a saved fit, or the published constants of a paper."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from analysis.arrays import Array
from analysis.fitting.estimate import CI_LEVEL, Estimate
from analysis.fitting.result import FitResult
from analysis.fitting.saved_fit import load_fit
from analysis.laws.constrained import parse_values
from analysis.laws.cost_model import SIX_ND, CostModel, derive_under, optimal_under
from analysis.laws.kaplan import Batch, batch_named, optimal_steps
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN, Law, Optimum, derive
from analysis.laws.published import PUBLISHED, Published
from analysis.laws.registry import LAWS, law_named
from analysis.runs.conventions import unit_of
from analysis.runs.selection import Runs
from scaling_harness.errors import UserError

PREFIX = "published:"
CONVENTIONS = ("count", "compute", "vocab_size", "data_id", "n_ctx", "recipe")


@dataclass(frozen=True)
class Line:
    """N_opt = k C^a as printed, without a law of the loss; D_opt likewise, or C / 6 N_opt."""

    n_coefficient: float
    a: float
    d_coefficient: float | None = None
    b: float | None = None

    def optimal(self, train_flops: Array) -> tuple[Array, Array]:
        """N_opt and D_opt."""
        n_params = self.n_coefficient * train_flops**self.a
        if self.d_coefficient is None or self.b is None:
            return n_params, train_flops / (FLOPS_PER_PARAM_TOKEN * n_params)
        return n_params, self.d_coefficient * train_flops**self.b


@dataclass(frozen=True)
class Source:
    """What forecasts and comparisons read.

    Attributes
    ----------
    name : str
    law : Law or None
        None if only exponents, or a line N_opt ~ C^a, are known.
    values, draws : mapping
        Parameters of the law; resampled ones, empty for published constants.
    exponents : mapping of str to Estimate
        a, b and the law's own exponents.
    line : Line or None
    input_ranges : mapping
    conventions : mapping
        Each of CONVENTIONS, None if unknown.
    settings : mapping
        How the fit was made: objective, resampling, where the runs are.
    published : bool
    notes : tuple of str
    batch : Batch or None
        Tokens of a step, which a law in N and steps needs to have an optimum.
    cost : CostModel
        What C is in N and D: of a fit that of its runs, of published constants 6 N D.
    """

    name: str
    law: Law | None
    values: Mapping[str, float]
    draws: Mapping[str, Array]
    exponents: Mapping[str, Estimate]
    line: Line | None = None
    input_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    conventions: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: bool = False
    notes: tuple[str, ...] = ()
    batch: Batch | None = None
    cost: CostModel = SIX_ND

    def __repr__(self) -> str:
        law = self.law.name if self.law else "no law of the loss"
        return f"<Source {self.name}: {law}; {', '.join(f'{k} {x:.3g}' for k, x in self.exponents.items())}>"

    @property
    def unit(self) -> str:
        """What a token is, "byte" or "token"."""
        return unit_of(self.conventions.get("vocab_size"))

    @property
    def has_optimum(self) -> bool:
        """Whether the law has an N_opt and D_opt under its cost C(N, D), or with its batch under C = 6 N B S."""
        return self.law is not None and (self.batch is not None or "a" in derive(self.law, self.values))

    def optimal(self, params: Mapping[str, Array], train_flops: Array) -> Optimum:
        """Optimum of the law at its cost C(N, D), or at 6 N B S; params and FLOPs broadcast."""
        if self.law is None:
            raise UserError(f"{self.name} has no law of the loss, only exponents")
        if self.batch is not None:
            return optimal_steps(self.law, params, train_flops, self.batch)
        return optimal_under(self.cost, self.law, params, train_flops)

    def exponent_draws(self, name: str) -> Array | None:
        """Resampled values of an exponent; None if the source has no draws."""
        if self.law is None or not self.draws:
            return None
        return np.asarray(
            self.draws[name] if name in self.draws else derive_under(self.cost, self.law, self.draws)[name]
        )


def with_batch(source: Source, batch: str) -> Source:
    """The source with the tokens of a step, for a law in N and steps.

    Raises
    ------
    UserError
        Another law, which has no use for it; or no batch (see `kaplan.batch_named`).
    """
    if source.law is None or "S" not in source.law.inputs:
        raise UserError(f"--batch is for a law in N and steps; {source.name} has none: leave it out")
    return replace(source, batch=batch_named(batch))


def as_source(given: "Source | FitResult | str", name: str = "fit") -> Source:
    """A source from a fit, which gets the name, or from a text as `open_source` takes it."""
    if isinstance(given, FitResult):
        return from_fit(given, name)
    if isinstance(given, Runs):
        raise UserError("runs have no law yet: fit one, or forecast_mixture(runs, ...) weighs several")
    return open_source(given) if isinstance(given, str) else given


def open_source(text: str) -> Source:
    """A source from "published:NAME" or the path of a saved fit.

    Raises
    ------
    UserError
        No such name, or not a saved fit.
    """
    if not text.startswith(PREFIX):
        return from_fit(load_fit(Path(text)), text)
    key = text.removeprefix(PREFIX)
    if key not in PUBLISHED:
        raise UserError(f"{text} is not known; published constants are {', '.join(PUBLISHED)}")
    return from_published(PUBLISHED[key])


def from_params(text: str) -> Source:
    """A source from constants of one's own, "E=1.9,A=420,B=1900,alpha=.345,beta=.36", a law before a colon.

    Without a law it is the one that has just these parameters.

    Raises
    ------
    UserError
        No numbers, no such law, or not all of its parameters and no others.
    """
    name, colon, given = text.rpartition(":")
    values = parse_values(given, "--params")
    fitting = [law for law in ([law_named(name.strip())] if colon else LAWS.values()) if set(law.params) == set(values)]
    if len(fitting) != 1:
        laws = ", ".join(law.name for law in fitting) or "none"
        needs = f"{name} takes {', '.join(law_named(name.strip()).params)}" if colon else f"laws of these: {laws}"
        raise UserError(f"--params has {', '.join(values)}; {needs}; write LAW:NAME=NUMBER,..., as in kaplan_lc:A=..")
    (law,) = fitting
    bad = [key for key in law.positive if not (values[key] > 0 or (key == law.offset and values[key] == 0))]
    if bad:
        raise UserError(f"--params has {bad[0]} = {values[bad[0]]:g}: {law.formula} needs a positive number")
    exponents = {key: Estimate(values[key]) for key in law.exponents}
    exponents |= {key: Estimate(float(x)) for key, x in derive(law, values).items() if key in ("a", "b")}
    return Source(f"{law.name}:{given}", law, values, {}, exponents, published=True)


def from_fit(result: FitResult, name: str = "fit") -> Source:
    """A source from a fit."""
    exponents = {key: result.params[key] for key in result.law.exponents}
    exponents |= {key: result.derived[key] for key in ("a", "b") if key in result.derived}
    settings = result.settings
    described = settings.get("conventions") or {}
    conventions = {key: described.get(key) for key in CONVENTIONS} | {"count": settings.get("count")}
    return Source(
        name,
        result.law,
        result.values,
        result.draws,
        exponents,
        input_ranges=result.input_ranges,
        conventions=conventions,
        settings=settings,
        notes=tuple(f"{name}: {sentence}" for sentence in (*result.warnings, *_unknown_cost(result))),
        cost=result.cost,
    )


def _unknown_cost(result: FitResult) -> list[str]:
    """Sentence for a fit saved before fits had a cost model, of runs whose C is not 6 N D."""
    compute = (result.settings.get("conventions") or {}).get("compute")
    if compute in (None, result.cost.convention):
        return []
    return ["the C of its runs is not 6 N D, which is what is taken here: fit again to have their own cost"]


def from_published(entry: Published) -> Source:
    """A source from published constants; intervals only if the paper prints them."""
    law = LAWS[entry.law] if entry.law else None
    exponents = {key: _printed(entry, key, entry.params[key]) for key in law.exponents} if law else {}
    exponents |= {key: _printed(entry, key, value) for key in ("a", "b") if (value := getattr(entry, key)) is not None}
    line = None
    if law is None and entry.n_opt_coefficient is not None and entry.a is not None:
        line = Line(entry.n_opt_coefficient, entry.a, entry.d_opt_coefficient, entry.b)
    known = {"count": entry.n_convention, "compute": entry.c_convention}
    known |= {"vocab_size": entry.vocab_size, "n_ctx": entry.n_ctx}
    return Source(
        PREFIX + entry.key,
        law,
        dict(entry.params) if law else {},
        {},
        exponents,
        line,
        input_ranges=entry.input_ranges,
        conventions={key: known.get(key) for key in CONVENTIONS},
        published=True,
        notes=tuple(f"{entry.key}: {words}" for words in (entry.precision, entry.note) if words),
    )


def _printed(entry: Published, name: str, value: float) -> Estimate:
    """A printed value with its printed error, if any, as a 95 % interval of a normal error."""
    error = entry.stderr.get(name)
    if name == "a" and entry.a_ci and entry.a_ci_level:
        error = (entry.a_ci[1] - entry.a_ci[0]) / (2 * _quantile(entry.a_ci_level))
    if error is None:
        return Estimate(value)
    reach = _quantile(CI_LEVEL) * error
    return Estimate(value, error, (value - reach, value + reach))


def _quantile(level: float) -> float:
    """Half-width of a central normal interval in standard deviations."""
    return NormalDist().inv_cdf((1 + level) / 2)
