"""What runs say of a larger budget by the mixture of forms: the best N and D, a loss, the compute a loss takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Array
from analysis.fitting.cost_of_runs import cost_of, cost_sentences
from analysis.fitting.estimate import Estimate
from analysis.forecasting.forecast import FAR_DECADES, Forecast, check_question
from analysis.laws.cost_model import CostModel, optimal_under
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs
from analysis.validation.coverage import MIXTURE, HeldShare, held_share, judge_mixture
from analysis.validation.discrepancy import TAU
from analysis.validation.holdout import budget_bands
from analysis.validation.mixture import (
    FORMS,
    Interval,
    Mixture,
    Window,
    cells_of,
    expanding_windows,
    fit_forms,
    form_weights,
)
from analysis.validation.predictive import FittedForm
from scaling_harness.errors import HarnessError, UserError

DRAWS = 4000
CURVE = (1e-2, 1e6, 1600)
"""Ends of the budgets that are searched, in units of the smallest and the largest of the runs, and how many."""


@dataclass(frozen=True)
class MixtureSource:
    """The forms fitted to all runs, and what their windows say of them.

    Attributes
    ----------
    name : str
    fitted : mapping of str to FittedForm
        By the name of the law.
    weights : mapping of str to float
        By the log scores of the windows.
    windows : HeldShare
        Windows whose mean ln loss the mixture's 95 % interval holds, each by those before it alone.
    cost : CostModel
    input_ranges : mapping of str to (low, high)
    notes : tuple of str
    tau : float
    """

    name: str
    fitted: Mapping[str, FittedForm]
    weights: Mapping[str, float]
    windows: HeldShare
    cost: CostModel
    input_ranges: Mapping[str, tuple[float, float]]
    notes: tuple[str, ...]
    tau: float = TAU

    def loss(self, n_params: Array, n_tokens: Array) -> Interval:
        """Median and 95 % interval of ln L of one run at each N and D."""
        at, largest = {"N": n_params, "D": n_tokens}, self.input_ranges["C"][1]
        sd = self.tau * np.maximum(np.log(self.cost.flops(n_params, n_tokens) / largest), 0.0)
        parts = tuple(form.forecast(at, np.ones(len(n_params))).widened(sd) for form in self.fitted.values())
        return Mixture(parts, np.array([list(self.weights.values())])).interval()

    def best_size(self, train_flops: Array) -> Array:
        """N of lowest loss: the geometric mean over the forms by their weights."""
        best = [optimal_under(self.cost, f.law, f.params, train_flops).n_params for f in self.fitted.values()]
        return np.exp(np.average(np.log(best), axis=0, weights=list(self.weights.values())))

    def drawn_sizes(self, train_flops: float) -> Array:
        """N of lowest loss by parameters drawn from the forms, each as often as its weight."""
        rng, drawn = np.random.default_rng(0), []
        for form, weight in zip(self.fitted.values(), self.weights.values(), strict=True):
            n_draws = max(1, round(DRAWS * weight))
            z = rng.multivariate_normal(form.z_KP[0], form.covariance_KPP[0], n_draws, method="eigh")
            with np.errstate(all="ignore"):
                drawn.append(optimal_under(self.cost, form.law, form.model.to_natural(z), train_flops).n_params)
        return np.concatenate(drawn)


def mixture_source(runs: Runs, name: str, windows: Sequence[Window] | None = None) -> MixtureSource:
    """Fit the forms of the mixture to runs, and weigh them by their forecasts of budgets not seen.

    Parameters
    ----------
    runs : Runs
        With N, D and C.
    name : str
        What they are called.
    windows : sequence of Window, optional
        Of these runs, if they have been forecast already (`HoldoutCoverage.windows`).

    Returns
    -------
    MixtureSource

    Raises
    ------
    HarnessError
        No form can be fitted.
    """
    cells = design_cells(runs.frame)
    groups = [cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())]
    grouped, cost = cells_of(groups), cost_of(cells)
    fitted, reasons = fit_forms(grouped, FORMS, len(groups))
    if not fitted:
        raise HarnessError(next(iter(reasons.values())))
    windows = expanding_windows(grouped) if windows is None else windows
    weights = dict(zip(fitted, form_weights(windows, tuple(fitted), 1, TAU)[0].tolist(), strict=True))
    judged = [judge_mixture(window, windows[:i]) for i, window in enumerate(windows) if window.can_mix(FORMS)]
    held = held_share(sum(each.holds for each in judged), len(judged))
    notes = [*runs.notes, *cost_sentences(cost), *(f"{law} is no part of it: {why}" for law, why in reasons.items())]
    if not judged:
        notes.append(f"{len(groups)} budgets leave none to weigh the forms by, or to judge them: all weigh the same")
    spans = {letter: cells[letter].to_numpy(float) for letter in "NDC"}
    ranges = {letter: (float(span.min()), float(span.max())) for letter, span in spans.items()}
    return MixtureSource(name, fitted, weights, held, cost, ranges, tuple(notes))


def forecast_mixture(
    source: MixtureSource | Runs,
    *,
    train_flops: float | None = None,
    n_params: float | None = None,
    n_tokens: float | None = None,
    loss: float | None = None,
) -> Forecast:
    """Forecast from one question.

    Parameters
    ----------
    source : MixtureSource or Runs
        From `mixture_source`; or the runs themselves.
    train_flops : float, optional
        A budget: its best N and D and the loss of a run there.
    n_params, n_tokens : float, optional
        Both: the loss of a run there.
    loss : float, optional
        Nats per token: the least compute that reaches it.

    Returns
    -------
    Forecast

    Raises
    ------
    UserError
        Not exactly one question, or a number that is not positive.
    HarnessError
        No compute reaches the loss.
    """
    source = mixture_source(source, "these runs") if isinstance(source, Runs) else source
    shape = {"N": n_params, "D": n_tokens}
    shape = {name: value for name, value in shape.items() if value is not None}
    check_question(train_flops, shape, loss)
    if train_flops is not None:
        return _at_budget(source, f"C = {train_flops:.4g} FLOP", train_flops)
    if loss is not None:
        return _for_loss(source, loss)
    if set(shape) != {"N", "D"}:
        raise UserError("a mixture answers --n-params and --n-tokens together; for one alone forecast from a saved fit")
    size, tokens = np.array([shape["N"]]), np.array([shape["D"]])
    quantities = {"train_flops": Estimate(float(source.cost.flops(size, tokens)[0])), "n_params": Estimate(shape["N"])}
    quantities |= {"n_tokens": Estimate(shape["D"]), "loss_nats": _loss_at(source, size, tokens)}
    quantities["tokens_per_param"] = Estimate(shape["D"] / shape["N"])
    return _forecast(source, f"N = {shape['N']:.4g}, D = {shape['D']:.4g}", quantities)


def _at_budget(source: MixtureSource, asked: str, train_flops: float) -> Forecast:
    size, drawn = source.best_size(np.array([train_flops])), source.drawn_sizes(train_flops)
    tokens, drawn_tokens = (source.cost.tokens(train_flops, n) for n in (size, drawn))
    quantities = {
        "train_flops": Estimate(train_flops),
        "n_params": Estimate.from_draws(float(size[0]), drawn),
        "n_tokens": Estimate.from_draws(float(tokens[0]), drawn_tokens),
        "loss_nats": _loss_at(source, size, tokens),
        "tokens_per_param": Estimate.from_draws(float(tokens[0] / size[0]), drawn_tokens / drawn),
    }
    return _forecast(source, asked, quantities)


def _loss_at(source: MixtureSource, n_params: Array, n_tokens: Array) -> Estimate:
    interval = source.loss(n_params, n_tokens)
    low, middle, high = (float(np.exp(ends[0, 0])) for ends in (interval.low, interval.median, interval.high))
    return Estimate(middle, None, (low, high))


def _for_loss(source: MixtureSource, loss: float) -> Forecast:
    """Where the median of the best losses reaches the loss; the interval is where its ends do."""
    low, high = source.input_ranges["C"]
    budgets = np.geomspace(low * CURVE[0], high * CURVE[1], int(CURVE[2]))
    sizes = source.best_size(budgets)
    interval = source.loss(sizes, source.cost.tokens(budgets, sizes))
    ends = (interval.median, interval.low, interval.high)
    middle, least, most = (_first_below(budgets, curve[0], float(np.log(loss))) for curve in ends)
    if not np.isfinite(middle):
        raise HarnessError(
            f"no compute up to {budgets[-1]:.2g} FLOP reaches a loss of {loss:.5g} by {source.name}: "
            f"the lowest median there is {np.exp(interval.median.min()):.5g}"
        )
    there = _at_budget(source, f"L = {loss:.5g} nats per token", middle)
    quantities = {**there.quantities, "train_flops": Estimate(middle, None, (least, most)), "loss_nats": Estimate(loss)}
    return _forecast(source, there.asked, quantities)


def _first_below(budgets: Array, log_loss: Array, wanted: float) -> float:
    """The budget at which a curve first reaches a value, between budgets in logs; inf if none does."""
    reached = np.flatnonzero(log_loss <= wanted)
    if len(reached) == 0:
        return float("inf")
    i = reached[0]
    if i == 0:
        return float(budgets[0])
    share = (log_loss[i - 1] - wanted) / (log_loss[i - 1] - log_loss[i])
    return float(budgets[i - 1] * (budgets[i] / budgets[i - 1]) ** share)


def _forecast(source: MixtureSource, asked: str, quantities: Mapping[str, Estimate]) -> Forecast:
    letters = {"N": "n_params", "D": "n_tokens", "C": "train_flops"}
    beyond = max(
        max(0.0, float(np.log10(quantities[name].value / high)), float(np.log10(low / quantities[name].value)))
        for letter, name in letters.items()
        for low, high in (source.input_ranges[letter],)
    )
    warnings = [*source.notes]
    if beyond > FAR_DECADES:
        warnings.insert(0, f"{beyond:.1f} decades beyond the runs: the discrepancy was measured at up to 4 times")
    reach = float(np.log(quantities["train_flops"].value / source.input_ranges["C"][1]))
    said = {"weights": source.weights, "tau": source.tau, "windows": source.windows}
    return Forecast(
        f"{MIXTURE} on {source.name}",
        asked,
        quantities,
        beyond,
        tuple(warnings),
        discrepancy=source.tau * max(0.0, reach),
        mixture=said,
    )
