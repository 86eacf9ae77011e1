"""AdamW on flat buffers: all parameters of a module in one (R, P) tensor, all gradients in another.

R run, P parameters of one run, in order and padded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from scaling_harness.models.language_model import UpdateRule

_ALIGNMENT = 16  # floats: a 64-byte line, so that a run's kernels see the same alignment alone and in a stack


@dataclass(frozen=True)
class _Segment:
    """A part of the flat buffer with one update rule."""

    start: int
    stop: int
    lr_multiplier: float
    decay: bool


class FlatAdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with a learning rate and gradient clipping for each run.

    The module's parameters and their `.grad` become views of `parameters_RP` and `gradients_RP`, so that one call
    clears, clips, reduces or saves them all.

    Parameters
    ----------
    module : nn.Module
        Module on its device. If n_runs > 1, every parameter has the run axis first.
    rules : mapping of str to UpdateRule
        One for each name in `module.named_parameters()`.
    n_runs : int
        Number of runs R; 1 for a module without the run axis.
    betas, eps, weight_decay
        As in `torch.optim.AdamW`; the decay is multiplied by the learning rate.
    """

    def __init__(
        self,
        module: nn.Module,
        rules: Mapping[str, UpdateRule],
        *,
        n_runs: int = 1,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        named = list(module.named_parameters())
        if unmatched := sorted({name for name, _ in named} ^ set(rules)):
            raise ValueError(f"parameters and rules differ: {', '.join(unmatched)}")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self._segments = list(_segments(named, rules, n_runs))
        shape = (n_runs, self._segments[-1].stop)
        like = named[0][1]
        self.parameters_RP, self.gradients_RP, self._mean_RP, self._square_RP = (
            torch.zeros(shape, dtype=like.dtype, device=like.device) for _ in range(4)
        )
        self._step = torch.zeros((), device=like.device)
        self._parameters = [parameter for _, parameter in named]
        slices = _move_into(named, self.parameters_RP)
        self._gradients = [
            self.gradients_RP[:, part].view(p.shape) for part, p in zip(slices, self._parameters, strict=True)
        ]

    def backward(self, loss_R: Tensor, accumulate: bool = False) -> None:
        """Write the gradient of each run's loss to `gradients_RP`, or add it if `accumulate`."""
        # Not `loss.backward()`: one fused copy instead of clearing and adding for each parameter.
        gradients = torch.autograd.grad(loss_R.sum(), self._parameters)
        with torch.no_grad():
            write = torch._foreach_add_ if accumulate else torch._foreach_copy_  # pyright: ignore[reportPrivateImportUsage]
            write(self._gradients, gradients)

    @torch.no_grad()
    def step(self, lr_R: Sequence[float], max_norm: float | None = None) -> Tensor:
        """Update every parameter from the gradients.

        Parameters
        ----------
        lr_R : sequence of float
            Learning rate of each run.
        max_norm : float, optional
            Largest global gradient norm, applied to each run separately.

        Returns
        -------
        Tensor
            norm_R, each run's gradient norm before clipping.
        """
        norm_R = torch.stack([torch.linalg.vector_norm(row) for row in self.gradients_RP])
        divisor_R = (norm_R / max_norm).clamp_(min=1.0) if max_norm else torch.ones_like(norm_R)
        self._step += 1
        for run, lr in enumerate(lr_R):
            for segment in self._segments:
                self._update(run, segment, lr, divisor_R[run])
        return norm_R

    def _update(self, run: int, segment: _Segment, lr: float, grad_divisor: Tensor) -> None:
        part = slice(segment.start, segment.stop)
        buffers = (self.parameters_RP, self.gradients_RP, self._mean_RP, self._square_RP)
        parameters, gradients, means, squares = ([buffer[run, part]] for buffer in buffers)
        # One pass over memory; separate operations took four times as long at P = 1e6.
        torch._fused_adamw_(  # pyright: ignore[reportPrivateImportUsage]
            parameters,
            gradients,
            means,
            squares,
            [],
            [self._step],
            lr=lr * segment.lr_multiplier,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay if segment.decay else 0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
            grad_scale=grad_divisor,
        )

    def state_dict(self) -> dict[str, Tensor]:
        """State from which the runs resume bit for bit: parameters, moments, step."""
        return {
            "parameters_RP": self.parameters_RP,
            "mean_RP": self._mean_RP,
            "square_RP": self._square_RP,
            "step": self._step,
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy a saved state in, the module's parameters with it."""
        with torch.no_grad():
            for name, own in self.state_dict().items():
                if own.shape != state[name].shape:
                    raise ValueError(f"{name} is {tuple(state[name].shape)} in the checkpoint, {tuple(own.shape)} here")
                own.copy_(state[name])


def _padded(parameter: Tensor, n_runs: int) -> int:
    n = parameter.numel() // n_runs
    return -(-n // _ALIGNMENT) * _ALIGNMENT


def _segments(named: Sequence[tuple[str, Tensor]], rules: Mapping[str, UpdateRule], n_runs: int) -> Iterator[_Segment]:
    """Merge neighbouring parameters that have the same update rule."""
    start = 0
    for key, members in groupby(named, key=lambda item: (rules[item[0]].lr_multiplier, rules[item[0]].decay)):
        stop = start + sum(_padded(parameter, n_runs) for _, parameter in members)
        yield _Segment(start, stop, *key)
        start = stop


def _move_into(named: Sequence[tuple[str, nn.Parameter]], parameters_RP: Tensor) -> list[slice]:
    """Make each parameter a view of the flat buffer, with its value; return the slice of each."""
    n_runs, start = len(parameters_RP), 0
    slices = []
    for _, parameter in named:
        slices.append(slice(start, start + parameter.numel() // n_runs))
        view = parameters_RP[:, slices[-1]].view(parameter.shape)
        view.copy_(parameter.detach())
        parameter.data = view
        start += _padded(parameter, n_runs)
    return slices
