"""What to train next by a law: the best N and D of a budget, what they cost, and what other laws say."""

from dataclasses import dataclass

from analysis.fitting.estimate import Estimate
from analysis.forecasting.forecast import Forecast, forecast
from analysis.forecasting.inference import InferenceChoice, inference_aware
from analysis.forecasting.inverse import only_input
from analysis.forecasting.mixture_forecast import MixtureSource, forecast_mixture, mixture_source
from analysis.forecasting.side_by_side import LawAtBudget, laws_at
from analysis.forecasting.source import Source
from analysis.laws.law import why_no_optimum
from analysis.runs.conventions import rows_id
from analysis.runs.reload import reload_runs
from scaling_harness.errors import HarnessError, UserError

FAR_TIMES = 10.0
"""Budget over the largest of the runs from which a plan warns; the discrepancy was measured at up to 4."""


@dataclass(frozen=True)
class NextRun:
    """A plan for one budget.

    Attributes
    ----------
    by : Forecast
        The law's N, D and loss there, with the cost of other sizes.
    loss_nats : Estimate
        Loss of a run of that N and D, the error of the law's form included.
    loss_by : str
        What that interval is of.
    times_beyond : float or None
        Budget over the largest compute of the runs; None if that is not known.
    laws : tuple of LawAtBudget
        Published laws and this one side by side.
    inference : InferenceChoice or None
        If inference tokens are expected.
    far : tuple of str
        That the budget is far beyond the runs, by which factor, and what to do; empty if it is not.
    warnings : tuple of str
        Further ones.
    """

    by: Forecast
    loss_nats: Estimate
    loss_by: str
    times_beyond: float | None
    laws: tuple[LawAtBudget, ...]
    inference: InferenceChoice | None
    far: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def train_flops(self) -> float:
        """The budget."""
        return self.by.quantities["train_flops"].value

    @property
    def n_params(self) -> float:
        """The best N."""
        return self.by.quantities["n_params"].value

    @property
    def n_tokens(self) -> float:
        """The best D."""
        return self.by.quantities["n_tokens"].value


def plan_next_run(
    source: Source,
    *,
    train_flops: float | None = None,
    loss: float | None = None,
    inference_tokens: float | None = None,
    mixture: MixtureSource | None = None,
) -> NextRun:
    """Plan the run of a budget, or of the least budget that reaches a loss.

    Parameters
    ----------
    source : Source
        A law of the loss in N and D.
    train_flops, loss : float, optional
        One of them.
    inference_tokens : float, optional
        Expected over the life of the model.
    mixture : MixtureSource, optional
        Forms fitted to the same runs, for the interval of the loss; see `mixture_of`.

    Returns
    -------
    NextRun

    Raises
    ------
    UserError
        The source cannot split a budget into N and D; or not one question of a positive number.
    HarnessError
        No compute reaches the loss.
    """
    require_split(source)
    if inference_tokens is not None and not 0 < inference_tokens < float("inf"):
        raise UserError(f"--inference-tokens is {inference_tokens:g}: give the positive number of tokens expected")
    made = forecast(source, train_flops=train_flops, loss=loss)
    C = made.quantities["train_flops"].value
    loss_nats, loss_by, others = _loss_there(source, made, mixture)
    assert source.law is not None  # has an optimum
    choice = None
    if inference_tokens is not None:
        choice = inference_aware(source.law, source.values, source.draws, C, inference_tokens, source.cost)
    largest = source.input_ranges.get("C", (None, None))[1]
    times = None if largest is None else C / largest
    laws, far = laws_at(C, source, others), _far(source, times)
    return NextRun(made, loss_nats, loss_by, times, laws, choice, far, made.warnings)


def require_split(source: Source) -> None:
    """Refuse a source that does not say how a budget splits into N and D.

    Raises
    ------
    UserError
        With what is missing.
    """
    if source.law is None:
        raise UserError(f"{source.name} has no law of the loss, only exponents or a line: plan from a fit in N and D")
    if source.has_optimum and "S" not in source.law.inputs:
        return
    how = "fit one in both: scaling-harness fit RUNS --law chinchilla --out fit.json"
    if letter := only_input(source):
        raise UserError(
            f"{source.name} is {source.law.formula}, a law in {letter} alone: it does not say how a budget splits into "
            f"N and D; {how}"
        )
    raise UserError(f"{source.name} has no N and D for a budget: {why_no_optimum(source.law)}; {how}")


def mixture_of(source: Source) -> tuple[MixtureSource | None, str]:
    """Fit the mixture of forms to the runs of a saved fit.

    Parameters
    ----------
    source : Source
        A saved fit, or published constants.

    Returns
    -------
    (MixtureSource or None, str)
        Nothing, with the reason, for published constants, and if the runs are not where they were or have changed.
    """
    where = source.settings.get("source")
    if not where:
        return None, f"{source.name} does not say where its runs are"
    try:
        runs = reload_runs(where, source.conventions["count"])
        if rows_id(runs) != source.settings["rows"]:
            return None, f"the runs of {source.name} have changed since it was made"
        return mixture_source(runs, source.name), ""
    except HarnessError as error:
        return None, str(error)


def _loss_there(
    source: Source, made: Forecast, mixture: MixtureSource | None
) -> tuple[Estimate, str, tuple[Forecast, ...]]:
    """The loss with its interval, what that is of, and the mixture's own choice for the budget."""
    if mixture is None:
        of = f"{source.name} alone, with {made.discrepancy:.2%} for its form" if made.discrepancy else source.name
        return made.quantities["loss_nats"], of, ()
    N, D, C = (made.quantities[name].value for name in ("n_params", "n_tokens", "train_flops"))
    there = forecast_mixture(mixture, n_params=N, n_tokens=D)
    return there.quantities["loss_nats"], "mixture of forms on its runs", (forecast_mixture(mixture, train_flops=C),)


def _far(source: Source, times: float | None) -> tuple[str, ...]:
    if times is None or times <= FAR_TIMES:
        return ()
    return (
        f"the budget is {times:.3g} times the largest compute of the runs of {source.name} "
        f"({source.input_ranges['C'][1]:.3g} FLOP): forecasts were judged at up to 4 times; train a rung between first",
    )
