"""Description of an architecture, built in or a user's own: its counts, which need no torch, and how to build it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """Description that a function of `registry.BUILT_IN`, or one that `model.target` names, returns for a shape."""

    params: Mapping[str, int]
    """Parameters by group, of `param_flop_counts.GROUPS`; their sum is checked against the built module."""
    flops_per_token: float
    """Training FLOPs per token of all matrix products, forward and backward."""
    build: Callable[..., Any]
    """Makes the `torch.nn.Module`: token ids (B, T) in, logits (B, T, V) out. Import torch inside. If `stackable`,
    it takes the seeds of R runs and makes one `language_model.LanguageModel` of them all."""
    lr_multipliers: Mapping[str, float] | None = None
    """Factor on the learning rate by parameter name; 1 if absent. A `LanguageModel` has its own rules instead."""
    head_weights: int | None = None
    """Weights that give the logits, if they are not those of `params["head"]`: V d for a head tied to the embedding."""
    other_flops: Mapping[str, float] = field(default_factory=dict)
    """Training FLOPs per token by further conventions; see `param_flop_counts.transformer_flops`."""
    active_params: Mapping[str, int] | None = None
    """Parameters by group that one token passes through, of those groups that have fewer than `params`: of a mixture
    of experts. N and 6ND count these, memory all."""
    options: Collection[str] = ()
    """Names in `model.options` that it reads; any other is refused."""
    stackable: bool = False
    """Whether runs of one shape can be trained in lockstep as one model."""
