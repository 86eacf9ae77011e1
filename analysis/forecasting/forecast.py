"""What a law says of runs not yet made: the best N and D of a budget, a loss, the compute a loss takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.result import FitResult
from analysis.forecasting.inverse import (
    compute_for_loss,
    compute_where,
    only_input,
    require_optimum,
    size,
    why_unreachable,
)
from analysis.forecasting.misallocation import CostOfChoice, WrongSize, cost_of_choice, wrong_sizes
from analysis.forecasting.source import Source, as_source
from analysis.to_html import estimate_rows, html_table, page, sentences
from analysis.to_json import document
from analysis.validation.discrepancy import TAU
from analysis.validation.mixture import normal_mixture_ends
from scaling_harness.errors import HarnessError, UserError

FAR_DECADES = 2.0
UNREACHABLE = 0.025  # share of resamples from which an interval of compute has no upper end


@dataclass(frozen=True)
class Forecast:
    """Quantities with intervals, and how far from the runs they are.

    Attributes
    ----------
    source : str
    asked : str
        What was given.
    quantities : mapping of str to Estimate
        train_flops, n_params, n_tokens, tokens_per_param, loss_nats; n_steps and batch_tokens for a law in steps:
        those the source can tell.
    decades_beyond : float or None
        Distance from the range of the runs, the worst of N, D and C; None if it is not known.
    warnings : tuple of str
    wrong_sizes : tuple of WrongSize
        At an optimum under a cost C(N, D): what 1/3, 1/2, 2 and 3 times the best N cost at that budget.
    regret : CostOfChoice or None
        At an optimum: what it costs to follow the estimate if a resample is the truth; None without resamples.
    discrepancy : float
        Standard deviation of ln L that the interval of the loss has for the law's form beyond the runs; 0 within them.
    mixture : mapping or None
        Of a forecast by several forms: ``weights``, ``tau`` and ``windows``, see `mixture_forecast.MixtureSource`.
    """

    source: str
    asked: str
    quantities: Mapping[str, Estimate]
    decades_beyond: float | None
    warnings: tuple[str, ...]
    wrong_sizes: tuple[WrongSize, ...] = ()
    regret: CostOfChoice | None = None
    discrepancy: float = 0.0
    mixture: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {estimate:.4g}" for name, estimate in self.quantities.items())
        return f"<Forecast for {self.asked} by {self.source}: {found}>"

    def _repr_html_(self) -> str:
        wrong = {
            f"loss above the least at {w.factor:.3g} times the best N": w.extra_loss_nats for w in self.wrong_sizes
        }
        tables = html_table(estimate_rows(self.quantities)), html_table(estimate_rows(wrong))
        distance = "unknown" if self.decades_beyond is None else f"{self.decades_beyond:.2f} decades"
        title = f"{self.asked}, by {self.source}"
        return page(title, *tables, f"<p>distance from the runs: {distance}</p>", sentences(self.warnings))


@document.register
def _(forecast: Forecast) -> dict[str, Any]:
    cost = {"wrong_sizes": forecast.wrong_sizes, "expected_regret": forecast.regret}
    return {
        "source": forecast.source,
        "asked": forecast.asked,
        **forecast.quantities,
        "cost_of_choice": cost if forecast.wrong_sizes else None,
        "discrepancy": forecast.discrepancy,
        "mixture": forecast.mixture,
        "decades_beyond": forecast.decades_beyond,
        "warnings": forecast.warnings,
    }


def forecast(
    source: Source | FitResult | str,
    *,
    train_flops: float | None = None,
    n_params: float | None = None,
    n_tokens: float | None = None,
    loss: float | None = None,
    unique_tokens: float | None = None,
) -> Forecast:
    """Forecast from one question.

    Parameters
    ----------
    source : Source, FitResult or str
        A fit; or a text, the path of a saved one, or published:NAME.
    train_flops : float, optional
        A budget: its best N and D and the loss there.
    n_params, n_tokens : float, optional
        Both: the loss there. One alone: the budget it is optimal for; or the loss, for a law in it alone.
    loss : float, optional
        Nats per token: the least compute that reaches it.
    unique_tokens : float, optional
        With both N and D, for a law of repeated data: how many of the D tokens are unique; all by default.

    Returns
    -------
    Forecast

    Raises
    ------
    UserError
        Not exactly one question, or a number that is not positive.
    HarnessError
        The source cannot answer it, or no compute reaches the loss.
    """
    source, shape = as_source(source), {"N": n_params, "D": n_tokens}
    shape = {name: value for name, value in shape.items() if value is not None}
    if unique_tokens is not None:
        _check_unique(source, shape)
        shape["U"] = unique_tokens
    check_question(train_flops, shape, loss)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # resamples with an exponent at zero
        if train_flops is not None:
            return _at_budget(source, train_flops)
        return _at_shape(source, shape) if loss is None else _for_loss(source, loss)


def check_question(train_flops: float | None, shape: Mapping[str, float], loss: float | None) -> None:
    """Refuse anything but one question of positive numbers.

    Raises
    ------
    UserError
        With the reason.
    """
    given = [name for name, value in (("C", train_flops), ("shape", shape or None), ("L", loss)) if value is not None]
    if len(given) != 1:
        raise UserError("ask one thing: --flops, or --n-params and --n-tokens, or --loss")
    for value in (train_flops, loss, *shape.values()):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise UserError(f"{value} is not a positive number")


def _check_unique(source: Source, shape: Mapping[str, float]) -> None:
    """Refuse unique tokens for a law or a question that has no use for them."""
    if source.law is None or not source.law.repeats:
        raise UserError(f"--unique-tokens is for a law of repeated data; {source.name} has none: leave it out")
    if set(shape) != {"N", "D"}:
        raise UserError("--unique-tokens needs both --n-params and --n-tokens: the optimum is known for unique tokens")


def _at_budget(source: Source, train_flops: float) -> Forecast:
    asked = f"C = {train_flops:.4g} FLOP"
    if source.line is not None:
        n_params, n_tokens = source.line.optimal(np.array([train_flops]))
        by_letter = {"C": np.array([train_flops]), "N": n_params, "D": n_tokens}
        return _build(source, asked, by_letter, {})
    if only_input(source) == "C":
        return _one_variable(source, asked, "C", train_flops)
    require_optimum(source)
    return _at_optimum(source, asked, _optimum(source, _point(source), train_flops), _drawn(source, train_flops))


def _at_optimum(source: Source, asked: str, by_letter: Mapping[str, Array], drawn: Mapping[str, Array]) -> Forecast:
    """The forecast of an optimum, with the cost of another choice at its budget."""
    assert source.law is not None
    train_flops = float(by_letter["C"][0])
    forecast_there = _build(source, asked, by_letter, drawn)
    if source.batch is not None:
        return forecast_there
    return replace(
        forecast_there,
        wrong_sizes=wrong_sizes(source.law, source.values, source.draws, train_flops, source.cost),
        regret=cost_of_choice(source.law, source.values, source.draws, train_flops, source.cost)
        if source.draws
        else None,
    )


def _at_shape(source: Source, shape: Mapping[str, float]) -> Forecast:
    asked = ", ".join(f"{name} = {value:.4g}" for name, value in shape.items())
    if len(shape) == 1:
        (name, value), *_ = shape.items()
        if only_input(source) == name:
            return _one_variable(source, asked, name, value)
        return _optimal_for(source, asked, name, value)
    if source.law is None or set(source.law.power_inputs) != {"N", "D"}:
        raise HarnessError(f"{source.name} has no law of the loss in N and D")
    law, inputs = source.law, {name: np.array([value]) for name, value in shape.items()}
    fixed = {**inputs, "C": source.cost.flops(inputs["N"], inputs["D"])}
    drawn = {"L": law.predict(source.draws, **inputs)} if source.draws else {}
    return _build(source, asked, {**fixed, "L": law.predict(_point(source), **inputs)}, drawn)


def _one_variable(source: Source, asked: str, name: str, value: float) -> Forecast:
    """Loss of a law in one variable."""
    assert source.law is not None
    drawn = {"L": source.law.predict(source.draws, **{name: value})} if source.draws else {}
    at = np.array([value])
    return _build(source, asked, {name: at, "L": source.law.predict(_point(source), **{name: at})}, drawn)


def _optimal_for(source: Source, asked: str, name: str, value: float) -> Forecast:
    """The budget for which this N (or D) is the best."""
    require_optimum(source)

    def budget(params: Mapping[str, Array]) -> Array:
        return compute_where(lambda flops: _letter(source.optimal(params, flops), name) - value, size(params))

    by_letter = _optimum(source, _point(source), budget(_point(source)))
    drawn = _optimum(source, source.draws, budget(source.draws)) if source.draws else {}
    drawn = {letter: values for letter, values in drawn.items() if letter != name}
    return _at_optimum(source, asked, {**by_letter, name: np.array([value])}, drawn)


def _for_loss(source: Source, loss: float) -> Forecast:
    asked = f"L = {loss:.5g} nats per {source.unit}"
    flops = compute_for_loss(source, _point(source), loss)
    if not np.isfinite(flops[0]):
        raise HarnessError(why_unreachable(source, loss))
    drawn = compute_for_loss(source, source.draws, loss) if source.draws else np.array([])
    if only_input(source) == "C":
        return _build(source, asked, {"C": flops, "L": np.array([loss])}, {"C": drawn} if len(drawn) else {})
    by_letter = _optimum(source, _point(source), flops)
    resampled = _optimum(source, source.draws, drawn) if len(drawn) else {}
    resampled.pop("L", None)
    return _at_optimum(source, asked, {**by_letter, "L": np.array([loss])}, resampled)


def _optimum(source: Source, params: Mapping[str, Array], train_flops: float | Array) -> dict[str, Array]:
    """C, N, D, L at the optimum, and S and B if the law is in steps, for K parameter vectors."""
    flops = np.broadcast_to(np.asarray(train_flops, float), (size(params),))
    best = source.optimal(params, flops)
    by_letter = {"C": flops, "N": best.n_params, "D": best.n_tokens, "L": best.loss_nats}
    if source.batch is None:
        return by_letter
    batch = source.batch.tokens(best.loss_nats)
    return {**by_letter, "S": best.n_tokens / batch, "B": batch}


def _drawn(source: Source, train_flops: float) -> dict[str, Array]:
    if not source.draws:
        return {}
    by_letter = _optimum(source, source.draws, train_flops)
    return {name: values for name, values in by_letter.items() if name != "C"}


NAMES = {"C": "train_flops", "N": "n_params", "D": "n_tokens", "L": "loss_nats", "S": "n_steps", "B": "batch_tokens"}
NAMES |= {"U": "unique_tokens"}


def _build(source: Source, asked: str, by_letter: Mapping[str, Array], drawn: Mapping[str, Array]) -> Forecast:
    """Estimates, distance and warnings of what was computed."""
    quantities = {}
    for letter, values in by_letter.items():
        quantities[NAMES[letter]] = _estimate(float(values[0]), drawn.get(letter, np.array([])))
    if {"N", "D"} <= set(by_letter):
        ratio = drawn["D"] / drawn["N"] if {"N", "D"} <= set(drawn) else np.array([])
        quantities["tokens_per_param"] = _estimate(float(by_letter["D"][0] / by_letter["N"][0]), ratio)
    sd = _discrepancy(source, by_letter) if "L" in drawn else 0.0
    if sd > 0:
        quantities[NAMES["L"]] = _widened(quantities[NAMES["L"]], drawn["L"], sd)
    beyond = decades_beyond(source, {name: float(by_letter[name][0]) for name in "NDCSU" if name in by_letter})
    warnings = _warnings(source, beyond, drawn)
    if source.law and source.law.repeats and "U" not in by_letter:
        warnings.insert(0, "all tokens are taken as unique; of repeated data say how many are (--unique-tokens)")
    return Forecast(source.name, asked, quantities, beyond, tuple(warnings), discrepancy=sd)


def _discrepancy(source: Source, by_letter: Mapping[str, Array]) -> float:
    """Standard deviation of ln L for the form of one law beyond the largest compute of its runs, if that is known."""
    if "C" not in by_letter or "C" not in source.input_ranges:
        return 0.0
    return TAU * max(0.0, float(np.log(by_letter["C"][0] / source.input_ranges["C"][1])))


def _widened(estimate: Estimate, draws: Array, sd: float) -> Estimate:
    """The interval of a loss whose logarithm has a normal error beside that of the resamples."""
    kept = draws[np.isfinite(draws) & (draws > 0)]
    if estimate.ci95 is None or len(kept) == 0:
        return estimate
    low, high = normal_mixture_ends(np.log(kept), sd)
    stderr = estimate.stderr and float(np.hypot(estimate.stderr, sd * estimate.value))
    return Estimate(estimate.value, stderr, (float(np.exp(low)), float(np.exp(high))))


def _estimate(value: float, draws: Array) -> Estimate:
    """Percentile interval; draws that are infinite (out of reach) count as such."""
    if len(draws) and np.isinf(draws).mean() > UNREACHABLE:
        return Estimate(value, None, (float(np.percentile(draws, 2.5)), float("inf")))
    return Estimate.from_draws(value, draws)


def _warnings(source: Source, beyond: float | None, drawn: Mapping[str, Array]) -> list[str]:
    sentences = []
    if beyond is None:
        sentences.append(f"{source.name} does not say what its runs span: the distance is not known")
    elif beyond > FAR_DECADES:
        sentences.append(
            f"{beyond:.1f} decades beyond the runs of {source.name}: past {FAR_DECADES:.0f} the form of the law, "
            "which no interval here covers, decides"
        )
    if not drawn:
        sentences.append(f"{source.name} has no resampled parameters: no intervals")
    elif (lost := float(np.isinf(drawn.get("C", np.zeros(1))).mean())) > 0:
        sentences.append(f"in {lost:.0%} of the resamples no compute reaches this loss")
    if (without := float(np.isnan(drawn.get("N", np.zeros(1))).mean())) > 0:
        sentences.append(
            f"{without:.1%} of the resamples have no optimum (an exponent at zero): no part of the intervals"
        )
    return [*sentences, *source.notes]


def decades_beyond(source: Source, inputs: Mapping[str, float]) -> float | None:
    """Decades by which the worst of the inputs lies outside the range of the runs; None without a common input."""
    outside = [
        max(0.0, float(np.log10(inputs[name] / high)), float(np.log10(low / inputs[name])))
        for name, (low, high) in source.input_ranges.items()
        if name in inputs
    ]
    return max(outside) if outside else None


def _point(source: Source) -> dict[str, Array]:
    return {name: np.array([value]) for name, value in source.values.items()}


def _letter(best: Any, name: str) -> Array:
    return best.n_params if name == "N" else best.n_tokens
