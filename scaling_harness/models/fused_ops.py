"""Autograd functions with gradients written out, because the number of operations decides a tiny model's step time.

R run, B batch, T time, N = B T positions, S = R B sequences, D d_model, H head, K d_head, V vocabulary.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from scaling_harness.models.logit_rows import logit_rows


def rms_norm(x: Tensor) -> Tensor:
    """Apply `RMSNorm`."""
    return _apply(RMSNorm, x)


def squared_relu(x: Tensor) -> Tensor:
    """Apply `SquaredReLU`."""
    return _apply(SquaredReLU, x)


def rotary_attention(qkv_ST3HK: Tensor, rotation_Tk: Tensor, scale: float, block: int | None = None) -> Tensor:
    """Apply `RotaryAttention`, to blocks of so many queries or to all at once; returns mixed_STHK."""
    return _apply(RotaryAttention, qkv_ST3HK, rotation_Tk, scale, block or qkv_ST3HK.shape[1])


def token_shift(x_STD: Tensor, n_parts: int) -> Tensor:
    """Apply `TokenShift`."""
    return _apply(TokenShift, x_STD, n_parts)


def linear_cross_entropy(x_RND: Tensor, head_RDV: Tensor, target_RN: Tensor) -> Tensor:
    """Apply `LinearCrossEntropy`; returns loss_R."""
    return _apply(LinearCrossEntropy, x_RND, head_RDV, target_RN)


def _apply(function: type[Function], *arguments: Any) -> Any:
    return function.apply(*arguments)


_TINY = 1e-6  # shorter than any state; avoids 0 / 0


def _inverse_rms(x: Tensor) -> Tensor:
    # From the vector norm, which takes a third of the time of squaring, averaging and adding eps separately.
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min_(_TINY).reciprocal_().mul_(x.shape[-1] ** 0.5)


def _through_norm(grad: Tensor, y: Tensor, inverse_rms: Tensor, out: Tensor | None = None) -> Tensor:
    """Turn the gradient with respect to y = x * inverse_rms into the one with respect to x."""
    along = (grad * y).sum(-1, keepdim=True)
    return torch.addcmul(grad, y, along, value=-1 / y.shape[-1], out=out).mul_(inverse_rms)


class RMSNorm(Function):
    """y = x / rms(x) over the last axis, no gain (Zhang and Sennrich 2019, arXiv 1910.07467)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Normalise."""
        inverse_rms = _inverse_rms(x)
        y = x * inverse_rms
        ctx.save_for_backward(y, inverse_rms)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Project out the direction of y, then rescale."""
        return _through_norm(grads[0], *ctx.saved_tensors)


class SquaredReLU(Function):
    """relu(x)^2 (So et al. 2021, arXiv 2109.08668)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Rectify and square."""
        rectified = x.clamp_min(0)
        ctx.save_for_backward(rectified)
        return rectified * rectified

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Multiply by 2 relu(x)."""
        (rectified,) = ctx.saved_tensors
        return (grads[0] * rectified).mul_(2.0)


def rotate_(x_THK: Tensor, rotation_Tk: Tensor) -> Tensor:
    """Rotate neighbouring pairs of the last axis as complex numbers, in place; k = K / 2.

    Rotary positions (Su et al. 2021, arXiv 2104.09864); `rotation` broadcasts along the time axis of x.
    """
    torch.view_as_complex(x_THK.unflatten(-1, (-1, 2))).mul_(rotation_Tk)
    return x_THK


def _scaled_bmm(a: Tensor, b: Tensor, scale: float = 1.0, out: Tensor | None = None) -> Tensor:
    """Multiply matrices and scale in one operation."""
    if out is None or out.is_contiguous():
        return torch.baddbmm(a.new_zeros(()), a, b, beta=0, alpha=scale, out=out)
    return out.copy_(_scaled_bmm(a, b, scale))  # baddbmm would multiply one matrix at a time


class RotaryAttention(Function):
    """Causal attention from q, k, v side by side, with q and k normalised over the head and rotated by position.

    Normalised q and k bound the logits by K * scale, so exp needs no maximum subtracted: the softmax is the same at a
    third of the cost. The weights are kept for the backward pass, so use it for short contexts. A block of queries is
    multiplied by the keys up to its end alone.
    """

    @staticmethod
    def forward(ctx: Any, qkv_ST3HK: Tensor, rotation_Tk: Tensor, scale: float, block: int) -> Tensor:
        """Return mixed_STHK."""
        qkv_3SHTK = qkv_ST3HK.permute(2, 0, 3, 1, 4).clone(memory_format=torch.contiguous_format)
        qk_2SHTK = qkv_3SHTK[:2]
        inverse_rms = _inverse_rms(qk_2SHTK)
        rotate_(qk_2SHTK.mul_(inverse_rms), rotation_Tk)
        q, k, v = qkv_3SHTK.flatten(1, 2)
        n_heads, T, _ = q.shape
        total, mixed, weights = q.new_empty(n_heads, T, 1), torch.empty_like(q), []
        for part, rows, seen in _parts(n_heads, T, block):
            logits = _scaled_bmm(q[part, rows], k[part, seen].transpose(1, 2), scale)
            weights.append(logits.exp_().tril_(rows.start))
            torch.sum(weights[-1], -1, keepdim=True, out=total[part, rows])
            _scaled_bmm(weights[-1], v[part, seen], out=mixed[part, rows])
        mixed.div_(total)
        ctx.save_for_backward(qkv_3SHTK, inverse_rms, rotation_Tk, total, mixed, *weights)
        ctx.scale, ctx.block = scale, block
        return mixed.view(qkv_3SHTK.shape[1:]).transpose(1, 2).contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        """Differentiate the softmax, then the rotation, which leaves dot products as they are, then the norm."""
        qkv_3SHTK, inverse_rms, rotation_Tk, total, mixed, *weights = ctx.saved_tensors
        q, k, v = qkv_3SHTK.flatten(1, 2)
        grad = grads[0].transpose(1, 2).reshape(mixed.shape) / total
        along = (grad * mixed).sum(-1, keepdim=True)
        grad_3SHTK = torch.empty_like(qkv_3SHTK)
        grad_q, grad_k, grad_v = grad_3SHTK.flatten(1, 2)
        parts = _parts(len(q), q.shape[1], ctx.block)
        for (part, rows, seen), weight in zip(parts, weights, strict=True):
            grad_rows = grad[part, rows]
            grad_logits = torch.bmm(grad_rows, v[part, seen].transpose(1, 2)).sub_(along[part, rows]).mul_(weight)
            _scaled_bmm(grad_logits, k[part, seen], ctx.scale, out=grad_q[part, rows])
            for total_grad, to, by, scale in (
                (grad_k[part, seen], grad_logits, q[part, rows], ctx.scale),
                (grad_v[part, seen], weight, grad_rows, 1.0),
            ):
                if seen.stop == q.shape[1]:  # the last block comes first: it sees all keys
                    _scaled_bmm(to.transpose(1, 2), by, scale, out=total_grad)
                else:
                    total_grad.add_(torch.bmm(to.transpose(1, 2), by), alpha=scale)
        grad_2SHTK = grad_3SHTK[:2]
        rotate_(_through_norm(grad_2SHTK, qkv_3SHTK[:2], inverse_rms, out=grad_2SHTK), rotation_Tk.conj())
        return grad_3SHTK.permute(1, 3, 0, 2, 4), None, None, None


_CACHED_WEIGHTS = 1 << 18
"""Number of attention weights computed at once, 1 MB: a core's own cache holds them and their gradients. With more of
them, working in such parts took a tenth less time (2,048 tokens, d 64 and 192), with the same numbers to the bit."""


def _parts(n_heads: int, n_ctx: int, block: int) -> Iterator[tuple[slice, slice, slice]]:
    """Slices of the heads of all sequences, as many as fit in the cache; of the queries, last block first; of keys."""
    at_once = max(1, _CACHED_WEIGHTS // (block * n_ctx))
    for head in range(0, n_heads, at_once):
        for start in reversed(range(0, n_ctx, block)):
            stop = min(n_ctx, start + block)
            yield slice(head, head + at_once), slice(start, stop), slice(0, stop)


class TokenShift(Function):
    """Split the channels in equal parts and shift part j by j positions, with zeros before the first."""

    @staticmethod
    def forward(ctx: Any, x_STD: Tensor, n_parts: int) -> Tensor:
        """Move each part to later positions."""
        ctx.n_parts = n_parts
        y_STD = torch.zeros_like(x_STD)
        for early, late in _shifted(x_STD, y_STD, n_parts):
            late.copy_(early)
        return y_STD

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Move each part back."""
        grad_STD = torch.zeros_like(grads[0])
        for early, late in _shifted(grad_STD, grads[0], ctx.n_parts):
            early.copy_(late)
        return grad_STD, None


def _shifted(x_STD: Tensor, y_STD: Tensor, n_parts: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Views of part j of x and of y that coincide when y is x shifted by j positions."""
    T = x_STD.shape[1]
    for j, (x, y) in enumerate(zip(x_STD.chunk(n_parts, -1), y_STD.chunk(n_parts, -1), strict=True)):
        yield x[:, : max(0, T - j)], y[:, j:]


class LinearCrossEntropy(Function):
    """Mean cross-entropy of a linear head, per run; gradients are computed with the loss, so no logits are kept.

    With a large vocabulary there are never logits of all positions: see `logit_rows`.
    """

    @staticmethod
    def forward(ctx: Any, x_RND: Tensor, head_RDV: Tensor, target_RN: Tensor) -> Tensor:
        """Return loss_R, nats per token."""
        with_gradients = any(ctx.needs_input_grad)
        R, N, _ = x_RND.shape
        rows = logit_rows(R, head_RDV.shape[-1], N, on_gpu=x_RND.is_cuda)
        if rows == N:
            loss_RN, grad_x, grad_head = _losses(x_RND, head_RDV, target_RN, with_gradients)
        else:
            by_rows = _opaque_losses_by_rows if torch.compiler.is_compiling() else _losses_by_rows
            dtype = _dtype_of_products(x_RND)
            loss_RN, grad_x, grad_head = by_rows(x_RND, head_RDV, target_RN, rows, dtype, with_gradients)
        if with_gradients:
            ctx.save_for_backward(grad_x, grad_head)
        return loss_RN.mean(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Scale the saved gradients by the gradient of each run's loss."""
        grad_x, grad_head = ctx.saved_tensors
        grad_R11 = (grads[0] / grad_x.shape[1]).view(-1, 1, 1)
        return grad_x * grad_R11, grad_head * grad_R11, None


_LossesAndGradients = tuple[Tensor, Tensor | None, Tensor | None]
"""loss_RN, and the gradients of its sum with respect to x_RND and head_RDV."""


def _losses(x_RND: Tensor, head_RDV: Tensor, target_RN: Tensor, with_gradients: bool) -> _LossesAndGradients:
    logits_RNV = torch.bmm(x_RND, head_RDV)
    dtype = logits_RNV.dtype  # bfloat16 under autocast, which is off in what is compiled
    logits_RNV = logits_RNV.to(torch.promote_types(dtype, torch.float32))
    p_RNV, target_RN1 = logits_RNV.softmax(-1), target_RN.unsqueeze(-1)
    # From the largest p, which no logits make 0. log_softmax, then exp for the gradient, take twice as long.
    above_RN1 = logits_RNV.amax(-1, keepdim=True) - logits_RNV.gather(-1, target_RN1)
    loss_RN = (above_RN1 - p_RNV.amax(-1, keepdim=True).log_()).squeeze(-1)
    if not with_gradients:
        return loss_RN, None, None
    grad_RNV = p_RNV
    grad_RNV.scatter_add_(-1, target_RN1, grad_RNV.new_full((), -1.0).expand(target_RN1.shape))
    grad_RNV = grad_RNV.to(dtype)
    grad_x = torch.bmm(grad_RNV, head_RDV.transpose(1, 2)).to(x_RND.dtype)
    return loss_RN, grad_x, torch.bmm(x_RND.transpose(1, 2), grad_RNV).to(head_RDV.dtype)


def _dtype_of_products(x_RND: Tensor) -> torch.dtype:
    """Type in which matrix products are computed here: float32 becomes that of autocast."""
    device = x_RND.device.type
    lowered = x_RND.dtype == torch.float32 and torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if lowered else x_RND.dtype


def _losses_by_rows(
    x_RND: Tensor, head_RDV: Tensor, target_RN: Tensor, rows: int, dtype: torch.dtype, with_gradients: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute what `_losses` does for a few positions at a time; without gradients, empty ones."""
    loss_RN, grad_x, grad_head = _empty_by_rows(x_RND, head_RDV, target_RN, rows, dtype, with_gradients)
    grad_head.zero_()
    head_in_dtype = head_RDV.to(dtype)
    for start in range(0, x_RND.shape[1], rows):
        part = slice(start, start + rows)
        loss, of_x, of_head = _losses(x_RND[:, part].to(dtype), head_in_dtype, target_RN[:, part], with_gradients)
        loss_RN[:, part] = loss
        if of_x is not None and of_head is not None:
            grad_x[:, part] = of_x
            grad_head += of_head
    return loss_RN, grad_x, grad_head


def _empty_by_rows(
    x_RND: Tensor,
    head_RDV: Tensor,
    target_RN: Tensor,
    rows: int,  # noqa: ARG001
    dtype: torch.dtype,
    with_gradients: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Memory for the results of `_losses_by_rows`, which has these arguments; a compiler takes them as examples."""
    loss_RN = x_RND.new_empty(target_RN.shape, dtype=torch.promote_types(dtype, torch.float32))
    if not with_gradients:
        return loss_RN, x_RND.new_empty(0), x_RND.new_empty(0)
    return loss_RN, x_RND.new_empty(x_RND.shape), head_RDV.new_empty(head_RDV.shape)


# One operation to a compiler, which would unroll the loop: hundreds of parts took it minutes. It is compiled without
# autocast, hence the type of its products among its arguments.
_opaque_losses_by_rows = torch.library.custom_op("scaling_harness::losses_by_rows", _losses_by_rows, mutates_args=())
_opaque_losses_by_rows.register_fake(_empty_by_rows)
