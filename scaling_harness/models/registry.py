"""Look up an architecture by its name: built in, or a user's own as `module:function`. Building one imports torch."""

import dataclasses
import functools
import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from scaling_harness.config.schema import PRESETS, ModelConfig
from scaling_harness.errors import UserError, one_line
from scaling_harness.models.architecture import Architecture
from scaling_harness.models.param_flop_counts import (
    GROUPS,
    decoder_params,
    matmul_flops_per_token,
    n_params,
    transformer_flops,
)

if TYPE_CHECKING:
    from torch import nn

    from scaling_harness.models.decoder import Decoder

Describe = Callable[[ModelConfig, int], Architecture]
"""Function of the configuration and V that describes an architecture."""


def _decoder(model: ModelConfig, vocab_size: int) -> Architecture:
    """Describe the transformer of `decoder`, several runs of which train in lockstep."""

    def build(seeds: Sequence[int]) -> "Decoder":
        from scaling_harness.models.decoder import Decoder

        return Decoder(model, vocab_size, seeds)

    _dropout(model)
    return dataclasses.replace(_transformer(model, vocab_size, build, stackable=True), options=("dropout",))


def _recurrent(model: ModelConfig, vocab_size: int) -> Architecture:
    """Describe the decoder with its blocks applied `model.options.passes` times, one set of weights for all passes.

    Dehghani et al. (2018, arXiv 1807.03819) without their embedding of the pass; Kaplan et al. (2020, D.2) compare such
    models. N counts the weights once, `matmul` and the context-aware FLOPs every pass.
    """
    passes = model.options.get("passes")
    if not (isinstance(passes, int) and passes >= 1):
        raise UserError(
            "the architecture recurrent applies its blocks model.options.passes times: give a whole number from 1 on, "
            f"not {passes}"
        )
    once = _decoder(model, vocab_size)
    unrolled = dataclasses.replace(model, n_layer=passes * model.n_layer)
    every = _transformer(unrolled, vocab_size, once.build)
    return dataclasses.replace(
        once, flops_per_token=every.flops_per_token, other_flops=every.other_flops, options=("dropout", "passes")
    )


def _lstm(model: ModelConfig, vocab_size: int) -> Architecture:
    """Describe the LSTM of `lstm`: n_layer layers of width d_model; heads and d_ff_ratio are not read."""
    if model.parametrisation != "standard" or model.token_shift != 1:
        raise UserError(
            "the architecture lstm has one learning rate for all widths and no token shift: use model=standard, or "
            "model.parametrisation=standard model.token_shift=1"
        )
    dropout = _dropout(model)

    def build() -> "nn.Module":
        from scaling_harness.models.lstm import LstmModel

        return LstmModel(model.n_layer, model.d_model, vocab_size, dropout)

    vocabulary, layers = vocab_size * model.d_model, 8 * model.n_layer * model.d_model**2
    return Architecture(
        params={"embedding": vocabulary, "mlp": layers, "head": vocabulary},
        flops_per_token=6.0 * (layers + vocabulary),
        build=build,
        options=("dropout",),
    )


def _dropout(model: ModelConfig) -> float:
    """Share of the states that is dropped in training."""
    dropout = model.options.get("dropout", 0.0)
    if not (isinstance(dropout, int | float) and 0 <= dropout < 1):
        raise UserError(f"model.options.dropout is {dropout}: give a share from 0 up to, but not, 1")
    return float(dropout)


def _gpt2(model: ModelConfig, vocab_size: int) -> Architecture:
    """Describe the plain modules of `gpt2`: the decoder of `model=standard` in stock torch modules."""
    if model.parametrisation != "standard" or model.parts != PRESETS["standard"] or model.token_shift != 1:
        raise UserError(
            "the architecture gpt2 has the norm, positions and activation of model.parametrisation=standard and no "
            "token_shift: leave these as conf/model/gpt2.yaml has them, or use model=standard"
        )

    def build() -> "nn.Module":
        from scaling_harness.models.gpt2 import GPT2

        return GPT2(model.n_layer, model.d_model, model.d_ff, model.n_ctx, vocab_size, model.heads)

    return _transformer(model, vocab_size, build)


def _transformer(
    model: ModelConfig, vocab_size: int, build: Callable[..., object], stackable: bool = False
) -> Architecture:
    shape = (model.n_layer, model.d_model, model.d_ff, model.n_ctx, vocab_size)
    return Architecture(
        params=decoder_params(
            *shape,
            learned_positions=model.parts.positions == "learned",
            gains=model.parts.norm == "layer",
            tied_head=model.parametrisation == "standard",
        ),
        flops_per_token=matmul_flops_per_token(*shape),
        build=build,
        head_weights=vocab_size * model.d_model,
        other_flops=transformer_flops(*shape, model.heads),
        stackable=stackable,
    )


@dataclass(frozen=True)
class _BuiltIn:
    describe: Describe
    recorded_as: str | None
    """`model.target` in the identity of its runs, as in the first version that had it."""


BUILT_IN = {
    "decoder": _BuiltIn(_decoder, None),
    "gpt2": _BuiltIn(_gpt2, "scaling_harness.bench.gpt2:gpt2"),
    "lstm": _BuiltIn(_lstm, "lstm"),
    "recurrent": _BuiltIn(_recurrent, "recurrent"),
}
"""Built-in architectures by `model.target`; null is `decoder`. Record a new one under its own name."""


def describe(model: ModelConfig, vocab_size: int) -> Architecture:
    """Look up the architecture that `model.target` names, and let it describe itself.

    Parameters
    ----------
    model : ModelConfig
        Its `target` is null, a name in `BUILT_IN`, or `module:function` of a function that takes this configuration
        and V.
    vocab_size : int
        Size of the vocabulary, V.

    Returns
    -------
    Architecture
        As the function describes it.

    Raises
    ------
    UserError
        There is no such architecture, the function raises an error or returns no `Architecture` with known groups, or
        the architecture does not read one of `model.options`.
    """
    built_in = _built_in(model.target)
    function = built_in.describe if built_in else _own(model.target or "")
    name = model.target or "decoder"
    try:
        architecture = function(model, vocab_size)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"model.target {name!r} cannot describe itself: {one_line(error)}") from error
    if not isinstance(architecture, Architecture):
        raise UserError(f"model.target {name!r} returned {type(architecture).__name__}, not an Architecture")
    if unknown := set(architecture.params) - set(GROUPS):
        raise UserError(f"model.target {name!r} has unknown parameter groups {sorted(unknown)}; use {list(GROUPS)}")
    if above := [g for g, n in (architecture.active_params or {}).items() if n > architecture.params.get(g, 0)]:
        raise UserError(f"model.target {name!r} has more active parameters than parameters in {', '.join(above)}")
    if unread := sorted(set(model.options) - set(architecture.options)):
        readable = ", ".join(sorted(architecture.options)) or "none"
        raise UserError(f"the architecture {name} does not read model.options.{unread[0]}; it reads {readable}")
    return architecture


def n_params_of(architecture: Architecture) -> dict[str, int]:
    """Count the parameters that a token passes through by every convention for N; see `param_flop_counts.n_params`."""
    active = dict.fromkeys(GROUPS, 0) | dict(architecture.params) | dict(architecture.active_params or {})
    head = architecture.head_weights
    return n_params(active, active["head"] if head is None else head)


def recorded_target(target: str | None) -> str | None:
    """Give the `model.target` that is part of a run's identity."""
    built_in = _built_in(target)
    return built_in.recorded_as if built_in else target


def source_hash(target: str | None) -> str | None:
    """Hash the code of a user's own architecture.

    Parameters
    ----------
    target : str or None
        `model.target`.

    Returns
    -------
    str or None
        SHA-256 of the module's own file, read once per process; files that the module imports are not included. None
        for a built-in architecture, whose code belongs to the harness, or if the module has no file.
    """
    if _built_in(target):
        return None
    return _file_hash(importlib.import_module((target or "").partition(":")[0]))


def _built_in(target: str | None) -> _BuiltIn | None:
    matching = (known for name, known in BUILT_IN.items() if target in (name, known.recorded_as))
    return next(matching, None)


def _own(target: str) -> Describe:
    module_name, _, function_name = target.partition(":")
    if not function_name:
        raise UserError(f"model.target {target!r} is none of {', '.join(BUILT_IN)}, and not module:function either")
    try:
        return getattr(importlib.import_module(module_name), function_name)
    except Exception as error:  # anything may be raised by a module that is imported
        raise UserError(f"model.target {target!r} cannot be imported as module:function: {one_line(error)}") from error


@functools.cache
def _file_hash(module: ModuleType) -> str | None:
    """Hash a module's file once: a file that is edited after its import is not the code that runs."""
    path = getattr(module, "__file__", None)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None
