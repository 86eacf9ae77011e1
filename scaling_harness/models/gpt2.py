"""GPT-2 in stock modules, as researchers write it: the model of the plain baseline.

`nn.Linear`, learned positions, LayerNorm, GELU, PyTorch's fused attention, a tied head, no biases, no dropout.
B batch, T time, D d_model, H head, K d_head, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STD = 0.02


class LayerNorm(nn.Module):
    """Layer norm with a gain and without a bias."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Normalise."""
        return F.layer_norm(x_BTD, self.gain.shape, self.gain)


class Block(nn.Module):
    """Attention, then MLP, each behind a norm and added to the residual stream."""

    def __init__(self, d_model: int, d_ff: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.attention_norm, self.mlp_norm = LayerNorm(d_model), LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.up = nn.Linear(d_model, d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Compute the states after the block."""
        x_BTD = x_BTD + self.out(self._mix(self.attention_norm(x_BTD)))
        return x_BTD + self.down(F.gelu(self.up(self.mlp_norm(x_BTD))))

    def _mix(self, x_BTD: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in self.qkv(x_BTD).chunk(3, -1))
        mixed_BHTK = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return mixed_BHTK.transpose(1, 2).contiguous().view(x_BTD.shape)


class GPT2(nn.Module):
    """Token ids (B, T) in, logits (B, T, V) out. Initialised as in Radford et al. (2019, 2.3)."""

    def __init__(self, n_layer: int, d_model: int, d_ff: int, n_ctx: int, vocab_size: int, n_head: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(n_ctx, d_model)
        self.blocks = nn.ModuleList(Block(d_model, d_ff, n_head) for _ in range(n_layer))
        self.final_norm = LayerNorm(d_model)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=_STD / (2 * n_layer) ** 0.5 if residual else _STD)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Compute the logits."""
        x_BTD = self.embedding(tokens_BT) + self.position(torch.arange(tokens_BT.shape[1], device=tokens_BT.device))
        for block in self.blocks:
            x_BTD = block(x_BTD)
        return F.linear(self.final_norm(x_BTD), self.embedding.weight)
