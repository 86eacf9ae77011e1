"""Rules for the learning rate, the batch and the number of layers: published ones, ours and the user's own.

A published rule is evaluated as it was stated: with its own count of N, its own compute, its own unit of batch. Rules
of papers were fitted with one learning rate for the whole model (`model=standard`), at larger N than are trained here.
With muP every learning rate, including that of a rule, is the one at width 64.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scaling_harness.config.schema import NamedRule, PowerRule, Rule
from scaling_harness.errors import UserError


@dataclass(frozen=True)
class Scale:
    """Size and horizon that a rule may depend on."""

    n_params: Mapping[str, int]
    """N by count; see `param_flop_counts.n_params`."""
    n_tokens: float
    """D."""
    n_layer: int
    d_model: int
    n_ctx: int


@dataclass(frozen=True)
class RuleFormulas:
    """Formulas of a rule: for the peak learning rate, the tokens per step, the number of layers, or some of them."""

    source: str
    learning_rate: Callable[[Scale], float] | None = None
    batch_tokens: Callable[[Scale], float] | None = None
    n_layer: Mapping[int, float] | None = None
    """The least N with head at which each number of layers is best."""


def _kaplan2020_lr(at: Scale) -> float:
    return 0.003239 - 0.0001395 * math.log(at.n_params["non_embedding"])


def _deepseek2024_flops(at: Scale) -> float:
    """C = M D, with M the FLOPs per token of the weights outside the vocabulary and of attention over the context."""
    return (6 * at.n_params["non_embedding"] + 12 * at.n_layer * at.d_model * at.n_ctx) * at.n_tokens


def _sweep2026_lr(at: Scale) -> float:
    return 0.003949 * (at.n_params["with_head"] / 33760) ** 0.01396 * (at.n_tokens / 600100) ** -0.3415


RULE_FORMULAS: dict[str, RuleFormulas] = {
    "kaplan2020": RuleFormulas(
        "Kaplan et al. (2020), equation D.1; N without the embedding", learning_rate=_kaplan2020_lr
    ),
    "deepseek2024": RuleFormulas(
        "DeepSeek-AI (2024, arXiv 2401.02954), equation 1; C = M D without the vocabulary, batch in tokens",
        learning_rate=lambda at: 0.3118 * _deepseek2024_flops(at) ** -0.1250,
        batch_tokens=lambda at: 0.2920 * _deepseek2024_flops(at) ** 0.3271,
    ),
    "porian2024": RuleFormulas(
        "Porian et al. (2024, arXiv 2406.19146); N with the head, batch in sequences of 2,048 tokens",
        learning_rate=lambda at: 3.7 * at.n_params["with_head"] ** -0.36,
        batch_tokens=lambda at: 2048 * 0.00037 * at.n_params["with_head"] ** 0.703,
    ),
    "steplaw2025": RuleFormulas(
        "Li et al. (2025, arXiv 2503.04715); N without the vocabulary, batch in tokens",
        learning_rate=lambda at: 1.79 * at.n_params["non_embedding"] ** -0.713 * at.n_tokens**0.307,
        batch_tokens=lambda at: 0.58 * at.n_tokens**0.571,
    ),
    "sweep2026": RuleFormulas(
        "sweep lr-batch of this repository (2026-11-22): muP, embedded corpus; N with head of 1e4 to 1.1e5, D of 3e5 "
        "and 1.2e6, six minima, rms 19 %; standard errors: value 7.9 %, exponent of N .080 (it may be 0), of D .114. "
        "The batch is a bound, not a law: the smallest of 128, 256 and 512 tokens was best at all six. At 3.15e12 "
        "FLOPs, three layers of 64, .7 and 1.4 times the rate are within .1 % of the rule's, 256 tokens a step .3 % "
        "worse. Layers: sweep depth (2026-11-28), one to six at four budgets from 8e10 to 3.15e12, N of 1.3e4 to "
        "1.8e5; neighbours of the best depth lose .5 % or less, nothing that seeds do not hide at the changes",
        learning_rate=_sweep2026_lr,
        batch_tokens=lambda _: 128.0,
        n_layer={2: 0, 3: 8.0e4, 4: 1.5e5},
    ),
}


def learning_rate(lr: float | Rule, at: Scale) -> float:
    """Peak learning rate of a run.

    Parameters
    ----------
    lr : float or Rule
        A number is returned as it is.
    at : Scale
        Size and horizon; the `horizon` of a rule, if given, replaces D.

    Returns
    -------
    float

    Raises
    ------
    UserError
        The rule has no learning rate, or not a positive one at this scale.
    """
    if not isinstance(lr, NamedRule | PowerRule):
        return lr
    value = _evaluate(lr, at, "learning_rate")
    if value <= 0:
        n = at.n_params["non_embedding"]
        raise UserError(f"the rule {lr.rule} gives the learning rate {value:.2g} at N = {n}; set optim.lr to a number")
    return value


def batch_tokens(batch: int | Rule, at: Scale) -> int:
    """Tokens per step of a run.

    Parameters
    ----------
    batch : int or Rule
        A number is returned as it is; the value of a rule is rounded to whole contexts, at least one.
    at : Scale
        Size and horizon; the `horizon` of a rule, if given, replaces D.

    Returns
    -------
    int

    Raises
    ------
    UserError
        The rule has no batch.
    """
    if not isinstance(batch, NamedRule | PowerRule):
        return batch
    return max(1, round(_evaluate(batch, at, "batch_tokens") / at.n_ctx)) * at.n_ctx


def _evaluate(rule: Rule, at: Scale, quantity: str) -> float:
    if rule.horizon is not None:
        at = Scale(at.n_params, rule.horizon, at.n_layer, at.d_model, at.n_ctx)
    if isinstance(rule, PowerRule):
        by_size = (at.n_params["with_head"] / rule.n_params) ** rule.n_exponent
        return rule.value * by_size * (at.n_tokens / rule.n_tokens) ** rule.d_exponent
    formula = getattr(RULE_FORMULAS[rule.rule], quantity)
    if formula is None:
        others = ", ".join(name for name, formulas in RULE_FORMULAS.items() if getattr(formulas, quantity))
        raise UserError(f"the rule {rule.rule} has no {quantity}; give a number, or one of {others}")
    return rule.factor * formula(at)


def n_layer(rule: str, n_params_with_head: float) -> int | None:
    """Number of layers that a rule finds best at a size.

    Parameters
    ----------
    rule : str
        A key of `RULE_FORMULAS`.
    n_params_with_head : float
        N with head.

    Returns
    -------
    int or None
        None if the rule does not say.
    """
    least = RULE_FORMULAS[rule].n_layer
    return max(layers for layers, size in least.items() if size <= n_params_with_head) if least else None
