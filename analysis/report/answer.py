"""What the first screen of a report answers: the law, ten times the compute, what to believe, what to run next."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.fitting.estimate import Estimate
from analysis.fitting.result import UNUSABLE
from analysis.forecasting.forecast import Forecast, forecast
from analysis.forecasting.mixture_forecast import forecast_mixture, mixture_source
from analysis.forecasting.source import from_fit
from analysis.frontier.verdict import verdict
from analysis.report.summary import SEED_RATIO_LIMIT, Analysis
from analysis.report.tables import number
from analysis.report.targets import Aim
from analysis.runs.budgets import budget_groups
from analysis.validation.coverage import MIXTURE
from analysis.validation.holdout import Holdout

REACH = 10.0  # times the largest compute of the runs
STEP = 4.0  # to the next budget, if no forecast says by how much one budget is larger than the last
QUANTITIES = ("train_flops", "n_params", "n_tokens", "tokens_per_param", "loss_nats")
OF_AGREEMENT = ("half_width", "difference")  # aims by the start of their names
OF_FORECAST = ("forecast", "windows")


@dataclass(frozen=True)
class Judged:
    """A verdict of a word or two, and the sentence it rests on; ``good`` is None for neither good nor bad."""

    verdict: str
    sentence: str
    good: bool | None = None


@dataclass(frozen=True)
class AtBudget:
    """The best N and D of a budget by the law, and the loss there with the error of the law's form.

    ``epochs`` is D over the unique tokens of the runs' data, None if those are not known.
    """

    train_flops: float
    n_params: Estimate
    n_tokens: Estimate
    tokens_per_param: Estimate
    loss_nats: Estimate
    epochs: float | None


@dataclass(frozen=True)
class NextBudget:
    """The budget to train next: its optimum, and sizes about it as far apart as those of the largest budget.

    ``process_hours`` is the time of one process at the speed of the largest budget, None if no time is known.
    """

    best: AtBudget
    n_sizes: int
    smallest_n_params: float
    largest_n_params: float
    train_flops: float
    process_hours: float | None


@dataclass(frozen=True)
class Answer:
    """Everything the first screen says; ``G`` is None where C is not proportional to N D.

    ``law`` is that of ``a`` and ``G``, ``forecaster`` that of the rest: the same, or the mixture of forms.
    ``trusted_flops`` is None if the law is not to be trusted at all.
    """

    law: str
    forecaster: str
    formula: str
    a: Estimate
    G: Estimate | None
    largest_flops: float
    ten_times: AtBudget
    agreement: Judged
    forecast: Judged
    trusted_flops: float | None
    trust: Judged
    next_budget: NextBudget
    next_steps: tuple[str, ...]


def answer(analysis: Analysis, aims: Sequence[Aim], unit: str, missing: int = 0) -> Answer:
    """Answer for the law that the sweep declares; if it declares the mixture, by approach 3 and by the mixture.

    Parameters
    ----------
    analysis : Analysis
        From `summary.analyse`.
    aims : sequence of Aim
        Of the sweep, judged.
    unit : str
        What a token is.
    missing : int
        Runs that were planned and are not finished.

    Returns
    -------
    Answer
    """
    fitted = analysis.declared.fit
    largest = float(analysis.approaches.cells.C.max())
    trusted, trust = _trust(analysis, largest)
    at = _forecaster(analysis)
    following = _next_budget(analysis, at, largest)
    return Answer(
        law=fitted.law_name,
        forecaster=analysis.forecaster,
        formula=fitted.law.formula,
        a=fitted.derived["a"],
        G=fitted.derived.get("G"),
        largest_flops=largest,
        ten_times=_at(analysis, at(REACH * largest)),
        agreement=_agreement(analysis, aims),
        forecast=_forecast(analysis, aims),
        trusted_flops=trusted,
        trust=trust,
        next_budget=following,
        next_steps=tuple(_next_steps(analysis, following, unit, missing)),
    )


def _unique_tokens(frame: pd.DataFrame) -> float | None:
    """Distinct tokens of the runs' data; None if not known, or if there is no end of them: each run is one epoch."""
    if not {"n_tokens", "epochs"} <= set(frame):
        return None
    epochs = frame["epochs"].to_numpy(float)
    return None if np.all(epochs == 1) else float((frame["n_tokens"].to_numpy(float) / epochs).max())


def _at(analysis: Analysis, forecast: Forecast) -> AtBudget:
    said = forecast.quantities
    unique = _unique_tokens(analysis.runs.frame)
    epochs = said["n_tokens"].value / unique if unique else None
    flops, N, D, ratio, loss = (said[name] for name in QUANTITIES)
    return AtBudget(flops.value, N, D, ratio, loss, epochs)


def _forecaster(analysis: Analysis) -> Callable[[float], Forecast]:
    """What the sweep declares for its forecasts, by the budget."""
    if analysis.forecaster == MIXTURE:
        covered = analysis.holdout and analysis.holdout.coverage
        mixture = mixture_source(analysis.runs, "these runs", covered.windows if covered else None)
        return lambda train_flops: forecast_mixture(mixture, train_flops=train_flops)
    source = from_fit(analysis.declared.fit)
    return lambda train_flops: forecast(source, train_flops=train_flops)


def _agreement(analysis: Analysis, aims: Sequence[Aim]) -> Judged:
    """One verdict on the approaches that accounts for the aims of the sweep."""
    approaches = analysis.approaches
    said = verdict(approaches)
    if said.agree is None:
        return Judged("not known", f"{_upper(said.sentence)}.", False)
    values = [each.a.value for each in approaches.approaches.values() if np.isfinite(each.a.value)]
    if not said.agree:
        return Judged("no", f"{_upper(said.sentence)} (a from {min(values):.3f} to {max(values):.3f}).", False)
    ends = [np.abs(d.ci95).max() for d in approaches.differences.values() if d.ci95]
    room = f"a from {min(values):.3f} to {max(values):.3f}, and a difference up to {max(ends):.3f} cannot be excluded"
    missed = _missed(aims, OF_AGREEMENT)
    if missed:
        return Judged("not shown", f"No difference of a is beyond noise, but {missed}: {room}.", None)
    return Judged("yes", f"No difference of a is beyond noise: {room}.", True)


def _missed(aims: Iterable[Aim], names: Sequence[str]) -> str | None:
    """How many aims about one thing were missed, as a part of a sentence; None if none was."""
    about = [aim for aim in aims if aim.name.startswith(tuple(names))]
    missed = [aim for aim in about if not aim.met]
    return f"{len(missed)} of the sweep's {len(about)} aims for this are missed" if missed else None


def _forecast(analysis: Analysis, aims: Sequence[Aim]) -> Judged:
    """One verdict on the forecast of compute that the fit had not seen."""
    held = analysis.holdout
    if held is None:
        return Judged("not tested", f"No compute was held out: {analysis.holdout_reason}.", False)
    name, error = _error_of(analysis, held)
    sentence = _forecast_errors(held, name, error)
    if error >= held.error_power_law:
        return Judged("badly", f"{sentence}: a straight line does as well.", False)
    missed = _missed(aims, OF_FORECAST)
    inside = f" {_coverage(held)}" if held.coverage else ""
    if missed:
        return Judged("in part", f"{sentence}; {missed}.{inside}", None)
    judged = held.coverage and (held.coverage.mixture if analysis.forecaster == MIXTURE else held.coverage.alone)
    well = judged is None or judged.holds
    return Judged("well" if well else "in part", f"{sentence}.{inside}", True if well else None)


def _error_of(analysis: Analysis, held: Holdout) -> tuple[str, float]:
    """What forecast the budget held out, and its mean error: the mixture if the sweep declares it."""
    if analysis.forecaster == MIXTURE and held.coverage:
        return f"the {MIXTURE}", held.coverage.mixture.mean_abs_rel_error
    return held.law.name, held.mean_abs_rel_error


def _forecast_errors(held: Holdout, name: str, error: float) -> str:
    where = "At" if held.points.C.min() > held.budget / 1.2 else "Up to"
    return (
        f"{where} {number(held.budget)} FLOP, {held.gap:.2g} times the largest budget it was fitted to, {name} is "
        f"off by {error:.2%} over {held.n_held_out} cells; a power law in C by "
        f"{held.error_power_law:.2%}, the losses of the last budget by {held.error_last_budget:.1%}"
    )


def _coverage(held: Holdout) -> str:
    assert held.coverage is not None
    one, many = held.coverage.alone, held.coverage.mixture
    return (
        f"The 95 % intervals of {one.forecaster} alone hold {one.cells_inside} of {one.n_cells} cells, "
        f"those of the mixture of forms {many.cells_inside} of {many.n_cells}."
    )


def _trust(analysis: Analysis, largest: float) -> tuple[float | None, Judged]:
    """The compute up to which the law was seen to hold: as far beyond the runs as a forecast was right."""
    checks, held = analysis.declared, analysis.holdout
    if UNUSABLE in checks.fit.warnings:
        return None, Judged("not at all", f"The fit of {checks.fit.law_name} is {UNUSABLE}.", False)
    ratio = checks.quality.ratio
    form = f" Its residuals are {ratio:.2f} times the noise of seeds: its form is not exact." if _misfits(ratio) else ""
    up_to = f"up to {number(largest)} FLOP"
    if held is None:
        return largest, Judged(up_to, f"That is the largest budget trained; no forecast was tested.{form}", None)
    mixed = held.coverage.mixture.holds if held.coverage else True
    if _error_of(analysis, held)[1] >= held.error_power_law or not mixed:
        why = "the mixture's interval missed" if not mixed else "a power law in C does as well"
        return largest, Judged(up_to, f"No further than was trained: of the budget held out {why}.{form}", False)
    reach = largest * held.gap
    sentence = (
        f"That is {held.gap:.2g} times the largest budget trained, the distance over which the forecast was tested. "
        f"Ten times is {'within' if held.gap >= REACH else 'beyond'} it.{form}"
    )
    return reach, Judged(f"up to {number(reach)} FLOP", sentence, None if form else True)


def _misfits(ratio: float | None) -> bool:
    return ratio is not None and ratio > SEED_RATIO_LIMIT


def _next_budget(analysis: Analysis, at: Callable[[float], Forecast], largest: float) -> NextBudget:
    cells, frame = analysis.approaches.cells, analysis.runs.frame
    step = analysis.holdout.gap if analysis.holdout else STEP
    best = _at(analysis, at(step * largest))
    sizes = np.log(cells.N.iloc[budget_groups(cells.C.to_numpy())[-1]].unique())
    half = (sizes.max() - sizes.min()) / 2
    smallest, largest_size = (best.n_params.value * np.exp([-half, half])).tolist()
    total = len(sizes) * step * largest
    return NextBudget(best, len(sizes), smallest, largest_size, total, _hours(frame, total))


def _hours(frame: Any, total_flops: float) -> float | None:
    """Time of one process at the speed of the largest budget of the runs."""
    if "wall_s" not in frame or not np.isfinite(frame["wall_s"].to_numpy(float)).all():
        return None
    last = frame.iloc[budget_groups(frame.C.to_numpy())[-1]]
    return float(last.wall_s.sum() / last.C.sum() * total_flops / 3600)


def _next_steps(analysis: Analysis, following: NextBudget, unit: str, missing: int) -> Iterable[str]:
    """What to train, the cheapest first; the next budget is always the last of them."""
    if missing:
        yield f"Finish this sweep: {missing} of its runs are missing."
    for piece in analysis.approaches.slices:
        if piece.problem:
            yield f"Repair the budget of {number(piece.train_flops)} FLOP: {piece.problem}."
    if analysis.third.quality.ratio is None:
        yield "Train some (N, D) with a second seed: without one the noise is not known."
    best = following.best
    time = f", about {number(following.process_hours, 2)} hours of one process" if following.process_hours else ""
    yield (
        f"Train {following.n_sizes} sizes from N = {number(following.smallest_n_params, 3)} to "
        f"{number(following.largest_n_params, 3)} at {number(best.train_flops, 3)} FLOP. It costs "
        f"{number(following.train_flops, 3)} FLOP{time}. {_forecaster_name(analysis)} says that the lowest loss is "
        f"{best.loss_nats:.3f} nats/{unit} at N = {number(best.n_params.value, 3)}: "
        f"a loss outside refutes it.{_repeats(best, unit)}"
    )


def _forecaster_name(analysis: Analysis) -> str:
    return f"The {MIXTURE}" if analysis.forecaster == MIXTURE else analysis.declared.fit.law_name


def _repeats(best: AtBudget, unit: str) -> str:
    if best.epochs is None or best.epochs <= 1:
        return ""
    return (
        f" It takes {best.epochs:.1f} epochs of the {unit}s there are, and the law knows of none seen twice: "
        "find more data."
    )


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]
