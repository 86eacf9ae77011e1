"""A user's own architecture: `model.target = module:function`. No torch until it is built."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scaling_harness.config.schema import ModelConfig
from scaling_harness.errors import UserError
from scaling_harness.models.param_flop_counts import GROUPS


@dataclass(frozen=True)
class Architecture:
    """What a target function returns: counts that need no torch, and a way to build the module."""

    params: Mapping[str, int]
    """Parameters by group, of `counts.GROUPS`; checked against the built module."""
    flops_per_token: float
    """Training FLOPs a token, all matrix products, forward and backward."""
    build: Callable[[], Any]
    """Makes the `torch.nn.Module`: token ids (B, T) in, logits (B, T, V) out. Import torch inside."""
    lr_multipliers: Mapping[str, float] | None = None
    """Factor on the learning rate by parameter name; 1 where absent."""


def load(model: ModelConfig, vocab_size: int) -> Architecture:
    """Call the function that `model.target` names.

    Parameters
    ----------
    model : ModelConfig
        Its `target` reads `module:function`; the function takes this configuration and `vocab_size`.
    vocab_size : int
        V.

    Returns
    -------
    Architecture

    Raises
    ------
    UserError
        The target cannot be imported, or does not return an `Architecture` with known groups.
    """
    target = model.target or ""
    module_name, _, function_name = target.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"model.target {target!r} cannot be imported as module:function ({error})") from error
    architecture = function(model, vocab_size)
    if not isinstance(architecture, Architecture):
        raise UserError(f"model.target {target!r} returned {type(architecture).__name__}, not an Architecture")
    if odd := set(architecture.params) - set(GROUPS):
        raise UserError(f"model.target {target!r} has unknown parameter groups {sorted(odd)}; use {list(GROUPS)}")
    return architecture


def custom_counts(model: ModelConfig, vocab_size: int) -> tuple[dict[str, int], float]:
    """Parameters by group (0 where the architecture has none) and training FLOPs a token of a target."""
    architecture = load(model, vocab_size)
    return {group: architecture.params.get(group, 0) for group in GROUPS}, architecture.flops_per_token
