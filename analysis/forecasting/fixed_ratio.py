"""The planner without a fit: D = eta N spends C = k N D."""

from dataclasses import dataclass

from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from scaling_harness.errors import UserError


@dataclass(frozen=True)
class FixedRatio:
    """N and D of a budget at a chosen ratio of tokens to parameters."""

    train_flops: float
    tokens_per_param: float
    flops_per_param_token: float
    n_params: float
    n_tokens: float


def plan_by_ratio(
    train_flops: float, tokens_per_param: float, flops_per_param_token: float = FLOPS_PER_PARAM_TOKEN
) -> FixedRatio:
    """N = (C / (k eta))^(1/2) and D = eta N: four times the compute doubles both.

    Parameters
    ----------
    train_flops, tokens_per_param, flops_per_param_token : float
        C, eta and k.

    Returns
    -------
    FixedRatio

    Raises
    ------
    UserError
        One of them is not a positive number.
    """
    given = {"budget": train_flops, "ratio": tokens_per_param, "k": flops_per_param_token}
    for name, value in given.items():
        if not 0 < value < float("inf"):
            raise UserError(f"the {name} is {value:g}: give a positive number")
    n_params = (train_flops / (flops_per_param_token * tokens_per_param)) ** 0.5
    return FixedRatio(train_flops, tokens_per_param, flops_per_param_token, n_params, tokens_per_param * n_params)
