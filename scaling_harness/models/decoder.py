"""A decoder-only transformer in which R runs of one shape train in lockstep, each with the numbers it has alone.

Every parameter has the run axis first; plain training is R = 1. Shapes:
R run, B batch, T time, N = B T positions, D d_model, H head, K d_head, F d_ff, V vocabulary, S = R B sequences.
"""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from scaling_harness.config.schema import Activation, ModelConfig
from scaling_harness.errors import CannotTrainHereError
from scaling_harness.models.fused_ops import linear_cross_entropy, rms_norm, rotary_attention, squared_relu, token_shift
from scaling_harness.models.language_model import LanguageModel, UpdateRule


@dataclass(frozen=True)
class _Role:
    """Parameter group, initial standard deviation and learning rate of one kind of parameter."""

    group: str
    std: float
    lr_multiplier: float = 1.0


Drop = Callable[[Tensor], Tensor]
"""Sets a share of the states to zero and scales up the rest."""
_GAIN = "gain"
_BASE_WIDTH = 64
_MAX_LOGIT = 8.0
"""Largest attention logit with q and k normalised: the scale is this divided by K. At K = 16 the usual 1/sqrt(K) caps
logits at 4, which cost .075 nats/byte (n_layer 2, d 48, 7.4e5 bytes; sweeps/README.md)."""
_ROTARY_BASE = 10_000.0
_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"squared_relu": squared_relu, "gelu": F.gelu}
_SHORT_CONTEXT = 512
_QUERY_BLOCK, _MANY_QUERIES = 64, 2048
"""Queries that are multiplied by the same keys, if a run's batch has this many queries over all heads: fewer spend more
on the further operations than the keys left out save. A block of 32 was no faster."""


def _roles(shape: ModelConfig) -> dict[str, _Role]:
    """Give the role of each parameter, by name, in the parametrisation of a shape.

    `mup` is that of Yang et al. (2022, arXiv 2203.03466, table 3) for Adam, with residual projections initialised to
    zero; a zero head as well costs .04 nats/byte (n_layer 2, d 48, 7.4e5 bytes, two seeds). `standard` is GPT-2's: one
    learning rate, standard deviation .02, divided by sqrt(2 n_layer) for residual projections (Radford et al. 2019,
    2.3). Gains are vectors, whose learning rate does not depend on the width in either.
    """
    gains = dict.fromkeys(("attention_gain", "mlp_gain", "final_gain"), _Role("norm", 0.0))
    if shape.parametrisation == "mup":
        fan_in, rate = shape.d_model**-0.5, _BASE_WIDTH / shape.d_model
        return {
            "embedding": _Role("embedding", 1.0, 10.0),
            "qkv": _Role("attention", fan_in, rate),
            "out": _Role("attention", 0.0, rate),
            "up": _Role("mlp", fan_in, rate),
            "down": _Role("mlp", 0.0, rate),
            "head": _Role("head", 1 / shape.d_model, rate),
            **gains,
        }
    residual = 0.02 / (2 * shape.n_layer) ** 0.5
    return {
        "embedding": _Role("embedding", 0.02),
        "position": _Role("position", 0.02),
        "qkv": _Role("attention", 0.02),
        "out": _Role("attention", residual),
        "up": _Role("mlp", 0.02),
        "down": _Role("mlp", residual),
        **gains,
    }


class Decoder(LanguageModel):
    """The built-in architecture: attention and MLP behind norms, no biases.

    `shape.parametrisation` decides initial scales, learning rates, and whether the head has its own weights (`mup`) or
    is tied (`standard`); `shape.parts` decides the norm, the positions and the activation. Of `shape.options`,
    `dropout` is of the embedding and of what each block adds to the residual stream, and `passes` is how often the
    blocks are applied one after another (see `registry`).

    Parameters
    ----------
    shape : ModelConfig
        Width, depth, heads, context, and the kinds of layers.
    vocab_size : int
        V.
    seeds : sequence of int
        One per run; the initial parameters of run r depend on seeds[r] alone.
    """

    rotation_Tk: Tensor | None
    dropout_key_R: Tensor
    n_forwards: Tensor

    def __init__(self, shape: ModelConfig, vocab_size: int, seeds: Sequence[int]) -> None:
        super().__init__()
        self.n_runs, self._roles, self._token_shift = len(seeds), _roles(shape), shape.token_shift
        self._n_passes = int(shape.options.get("passes", 1))
        self._dropout = float(shape.options.get("dropout", 0.0))
        width = (self.n_runs, shape.d_model)
        norm, positions, _ = shape.parts
        self.embedding = nn.Parameter(torch.empty(self.n_runs, vocab_size, shape.d_model))
        learned = positions == "learned"
        self.position = nn.Parameter(torch.empty(self.n_runs, shape.n_ctx, shape.d_model)) if learned else None
        self.blocks = nn.ModuleList(Block(shape, self.n_runs) for _ in range(shape.n_layer))
        self.final_gain = nn.Parameter(torch.empty(width)) if norm == "layer" else None
        own_head = shape.parametrisation == "mup"
        self.head = nn.Parameter(torch.empty(*width, vocab_size)) if own_head else None
        rotation = None if learned else _rotation(shape.n_ctx, shape.d_model // shape.heads)
        self.register_buffer("rotation_Tk", rotation, persistent=False)
        if self._dropout:
            self.run_buffers = ("dropout_key_R",)
            self.register_buffer("dropout_key_R", torch.tensor([seed % 2**63 for seed in seeds]), persistent=False)
            self.register_buffer("n_forwards", torch.zeros((), dtype=torch.int64), persistent=False)
        self._initialise(seeds)

    @torch.no_grad()
    def _initialise(self, seeds: Sequence[int]) -> None:
        for run, seed in enumerate(seeds):
            generator = torch.Generator().manual_seed(seed)
            for name, parameter in self.named_parameters():
                mean, std = float(name.endswith(_GAIN)), self._role(name).std
                parameter[run].normal_(mean, std, generator=generator) if std else parameter[run].fill_(mean)

    def _role(self, name: str) -> _Role:
        return self._roles[name.rpartition(".")[2]]

    def alone(self, run: int) -> "Decoder":  # noqa: D102
        own = {id(p): nn.Parameter(p.detach()[run : run + 1], requires_grad=False) for p in self.parameters()}
        one = copy.deepcopy(self, own)  # parameters in the memo are not copied
        one.n_runs = 1
        if self._dropout:
            one.dropout_key_R = self.dropout_key_R[run : run + 1]
        return one

    def running_state(self) -> dict[str, Tensor]:
        """Number of forward passes so far, from which dropout draws."""
        return {"n_forwards": self.n_forwards} if self._dropout else {}

    def load_running_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: D102
        if self._dropout:
            self.n_forwards.copy_(state["n_forwards"])

    def _drop(self, n_rows: int) -> Drop | None:
        """Dropout of one forward pass in training; a row's draws depend on its run's seed and on the pass alone.

        The seeds are read from the device, which waits, and generators are made of them, which no compiler follows: a
        run with dropout gains nothing from `runtime.compile`.
        """
        if not (self._dropout and self.training):
            return None
        keys, n_forwards = self.dropout_key_R.tolist(), int(self.n_forwards)
        self.n_forwards += 1  # in place: what measures gradients gives a copy
        device = self.dropout_key_R.device
        generators = [
            torch.Generator(device).manual_seed(_hash(keys[row % len(keys)], n_forwards, row // len(keys)))
            for row in range(n_rows)
        ]

        def drop(x_RND: Tensor) -> Tensor:
            kept = [torch.rand(x.shape, generator=g, device=device) for x, g in zip(x_RND, generators, strict=True)]
            return x_RND * (torch.stack(kept) >= self._dropout) / (1 - self._dropout)

        return drop

    def group_of(self, name: str) -> str:
        """Group of a parameter, one of `param_flop_counts.GROUPS`."""
        return self._role(name).group

    def update_rules(self) -> dict[str, UpdateRule]:
        """Learning rates of the parametrisation; decay on matrices only."""
        return {
            name: UpdateRule(self._role(name).lr_multiplier, decay=parameter.ndim == 3)
            for name, parameter in self.named_parameters()
        }

    def hidden(self, tokens_RBT: Tensor, recompute: bool = False) -> Tensor:
        """Compute the states before the head, x_RND; the backward pass may `recompute` each block's activations."""
        R, B, T = tokens_RBT.shape
        D = self.embedding.shape[-1]
        rows_R11 = torch.arange(R, device=tokens_RBT.device).view(R, 1, 1) * self.embedding.shape[1]
        x_RND = F.embedding((tokens_RBT + rows_R11).view(R, B * T), self.embedding.flatten(0, 1))
        if self._token_shift > 1:
            x_RND = token_shift(x_RND.view(R * B, T, D), self._token_shift).view(R, B * T, D)
        if self.position is not None:
            x_RND = (x_RND.view(R, B, T, D) + self.position[:, None, :T]).view(R, B * T, D)
        rotation = None if self.rotation_Tk is None else self.rotation_Tk[:T]
        drop = self._drop(R)
        if drop:
            x_RND = drop(x_RND)
        for _ in range(self._n_passes):
            for block in self.blocks:
                if recompute:
                    x_RND = checkpoint(block, x_RND, T, rotation, use_reentrant=False)
                else:
                    x_RND = block(x_RND, T, rotation, drop)
        return _norm(x_RND, self.final_gain)

    def head_RDV(self) -> Tensor:
        """Weights of the head, tied or not."""
        return self.embedding.transpose(1, 2) if self.head is None else self.head

    def forward(self, tokens_RBT: Tensor) -> Tensor:
        """Compute logits_RBTV."""
        logits_RNV = torch.bmm(self.hidden(tokens_RBT), self.head_RDV())
        return logits_RNV.view(*tokens_RBT.shape, -1)

    def loss(self, tokens_RBT: Tensor, targets_RBT: Tensor) -> Tensor:  # noqa: D102
        return linear_cross_entropy(self.hidden(tokens_RBT), self.head_RDV(), targets_RBT.flatten(1))

    def loss_recomputing(self, tokens_RBT: Tensor, targets_RBT: Tensor) -> Tensor:  # noqa: D102
        if self._dropout:
            raise CannotTrainHereError(
                "runtime.recompute_activations would draw model.options.dropout anew: leave one of them out"
            )
        return linear_cross_entropy(self.hidden(tokens_RBT, recompute=True), self.head_RDV(), targets_RBT.flatten(1))


class Block(nn.Module):
    """Attention, then MLP, each behind a norm and added to the residual stream."""

    def __init__(self, shape: ModelConfig, n_runs: int) -> None:
        super().__init__()
        R, D, d_ff = n_runs, shape.d_model, shape.d_ff
        norm, _, activation = shape.parts
        self.heads, self._activation = shape.heads, _ACTIVATIONS[activation]
        self.qkv = nn.Parameter(torch.empty(R, D, 3 * D))
        self.out = nn.Parameter(torch.empty(R, D, D))
        self.up = nn.Parameter(torch.empty(R, D, d_ff))
        self.down = nn.Parameter(torch.empty(R, d_ff, D))
        self.attention_gain = nn.Parameter(torch.empty(R, D)) if norm == "layer" else None
        self.mlp_gain = nn.Parameter(torch.empty(R, D)) if norm == "layer" else None

    def forward(self, x_RND: Tensor, T: int, rotation_Tk: Tensor | None, drop: Drop | None = None) -> Tensor:
        """Compute the states after the block; N consists of sequences of T positions."""
        mixed_RND = self._attend(_norm(x_RND, self.attention_gain), T, rotation_Tk)
        x_RND = _add(x_RND, mixed_RND, self.out, drop)
        hidden_RNF = torch.bmm(_norm(x_RND, self.mlp_gain), self.up)
        return _add(x_RND, self._activation(hidden_RNF), self.down, drop)

    def _attend(self, x_RND: Tensor, T: int, rotation_Tk: Tensor | None) -> Tensor:
        K = x_RND.shape[-1] // self.heads
        qkv_ST3HK = torch.bmm(x_RND, self.qkv).view(-1, T, 3, self.heads, K)
        if rotation_Tk is None:
            q_STHK, k_STHK, v_STHK = qkv_ST3HK.unbind(2)
            mixed_STHK = _causal(q_STHK, k_STHK, v_STHK, K**-0.5)
        elif T <= _SHORT_CONTEXT and qkv_ST3HK.is_cpu and qkv_ST3HK.dtype != torch.bfloat16:
            many = x_RND.shape[1] * self.heads >= _MANY_QUERIES
            mixed_STHK = rotary_attention(qkv_ST3HK, rotation_Tk, _MAX_LOGIT / K, _QUERY_BLOCK if many else T)
        else:
            mixed_STHK = fused_rotary_attention(qkv_ST3HK, rotation_Tk, _MAX_LOGIT / K)
        return mixed_STHK.reshape(x_RND.shape)


def fused_rotary_attention(qkv_ST3HK: Tensor, rotation_Tk: Tensor, scale: float) -> Tensor:
    """Compute `fused_ops.rotary_attention` by PyTorch's fused kernel, for GPUs and long contexts."""
    qk_ST2HK, v_ST1HK = qkv_ST3HK.split((2, 1), 2)
    at_least_fp32 = qk_ST2HK.to(torch.promote_types(qk_ST2HK.dtype, torch.float32))
    # In real numbers, of which a compiler makes one operation; the bits are those of the complex product.
    even, odd = rms_norm(at_least_fp32).unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = torch.view_as_real(rotation_Tk)[:, None, None].unbind(-1)
    rotated_ST2HK = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2).to(v_ST1HK.dtype)
    q_STHK, k_STHK = rotated_ST2HK.unbind(2)
    return _causal(q_STHK, k_STHK, v_ST1HK.squeeze(2), scale)


def _causal(q_STHK: Tensor, k_STHK: Tensor, v_STHK: Tensor, scale: float) -> Tensor:
    q, k, v = q_STHK.transpose(1, 2), k_STHK.transpose(1, 2), v_STHK.transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale).transpose(1, 2)


def _add(x_RND: Tensor, states_RNF: Tensor, weights_RFD: Tensor, drop: Drop | None) -> Tensor:
    """Add a projection to the residual stream; under autocast baddbmm would round all of the stream, at every block."""
    if drop is None and states_RNF.dtype == x_RND.dtype:
        return torch.baddbmm(x_RND, states_RNF, weights_RFD)
    added_RND = torch.bmm(states_RNF, weights_RFD)
    return x_RND + (drop(added_RND) if drop else added_RND)


def _hash(*numbers: int) -> int:
    """Mix numbers into a seed."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=7).digest())


def _norm(x_RND: Tensor, gain_RD: Tensor | None) -> Tensor:
    if gain_RD is None:
        return rms_norm(x_RND)
    return F.layer_norm(x_RND, x_RND.shape[-1:]) * gain_RD[:, None]


def _rotation(n_ctx: int, d_head: int) -> Tensor:
    """Unit complex numbers rotation_Tk, one frequency for each of the k = K / 2 pairs of a head."""
    frequency_k = _ROTARY_BASE ** (-torch.arange(0, d_head, 2) / d_head)
    angle_Tk = torch.outer(torch.arange(n_ctx), frequency_k)
    return torch.polar(torch.ones_like(angle_Tk), angle_Tk)
