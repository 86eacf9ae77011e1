"""What published laws and one's own say of one budget, each with the N and C that it counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.forecasting.forecast import Forecast, forecast
from analysis.forecasting.source import PREFIX, Source, open_source

PUBLISHED_LAWS = ("kaplan2020", "hoffmann2022", "besiroglu2024")
KAPLAN_LOSS = "kaplan2020_lc_min"
"""The loss along Kaplan's line of N and D, which has none itself: his L(C_min)."""
TRAPS = (
    "kaplan2020: its C is C_min, the compute of a batch far below the critical one; its N and D are of runs at the "
    "critical batch, which take about twice the C_min, so that 6 N D is not C",
    "hoffmann2022: the exponents of its TeX source; rounded as printed, .34 and .28, they give another N and D",
    "the N of one row is not that of another unless they count the same; neither are losses of different vocabularies",
)


@dataclass(frozen=True)
class LawAtBudget:
    """One law's choice for a budget.

    Attributes
    ----------
    law : str
    count : str or None
        Which parameters its N counts; None if it is not known.
    compute : str or None
        What its C is.
    vocab_size : str, int or None
        Of the runs behind it: its loss is nats per token of this vocabulary.
    a : float or None
        Exponent of N_opt ~ C^a.
    n_params, n_tokens, tokens_per_param : float
    loss_nats : float or None
        None if the law has none.
    decades_beyond : float or None
        Distance of this choice from its runs.
    """

    law: str
    count: str | None
    compute: str | None
    vocab_size: str | int | None
    a: float | None
    n_params: float
    n_tokens: float
    tokens_per_param: float
    loss_nats: float | None
    decades_beyond: float | None


def laws_at(train_flops: float, own: Source, others: Sequence[Forecast] = ()) -> tuple[LawAtBudget, ...]:
    """Each published law's choice for a budget, and one's own.

    Parameters
    ----------
    train_flops : float
        The budget.
    own : Source
        A law with an optimum, the last row but for the others.
    others : sequence of Forecast
        Of the same budget and runs as ``own``, such as that of a mixture of forms.

    Returns
    -------
    tuple of LawAtBudget
        In the order of their years.
    """
    sources = [open_source(PREFIX + key) for key in PUBLISHED_LAWS]
    rows = [_row(source, forecast(source, train_flops=train_flops)) for source in sources if source.name != own.name]
    rows.append(_row(own, forecast(own, train_flops=train_flops)))
    return tuple(rows + [_row(own, each, each.source) for each in others])


def _row(source: Source, made: Forecast, name: str | None = None) -> LawAtBudget:
    value = {quantity: estimate.value for quantity, estimate in made.quantities.items()}
    if source.line is not None:
        along = forecast(PREFIX + KAPLAN_LOSS, train_flops=value["train_flops"])
        value["loss_nats"] = along.quantities["loss_nats"].value
    said = source.conventions
    return LawAtBudget(
        law=name or source.name.removeprefix(PREFIX),
        count=said.get("count"),
        compute=said.get("compute"),
        vocab_size=said.get("vocab_size"),
        a=source.exponents["a"].value if name is None and "a" in source.exponents else None,
        n_params=value["n_params"],
        n_tokens=value["n_tokens"],
        tokens_per_param=value["tokens_per_param"],
        loss_nats=value.get("loss_nats"),
        decades_beyond=made.decades_beyond,
    )
