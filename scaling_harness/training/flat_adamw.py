"""AdamW on flat buffers: all parameters of a module in one (R, P) tensor, all gradients in another.

R run, P parameters of one run, in order and padded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor, nn

from scaling_harness.models.language_model import UpdateRule
from scaling_harness.plan.memory import UPDATED_AT_ONCE
from scaling_harness.training.batch_feed import to_device
from scaling_harness.training.distributed import Ranks

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
    batched : bool, optional
        Whether all runs and rules are updated together, by a fixed number of operations, and not one by one in a single
        pass over memory each: for a GPU, where the number of launches counts, and there the default. The results differ
        by rounding.
    ranks : Ranks, optional
        Processes that share the moments and the update, each of an equal part of P (ZeRO-1, Rajbhandari et al. 2020,
        arXiv 1910.02054); without it every process has all.
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
        batched: bool | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        named = list(module.named_parameters())
        if unmatched := sorted({name for name, _ in named} ^ set(rules)):
            raise ValueError(f"parameters and rules differ: {', '.join(unmatched)}")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        segments = list(_segments(named, rules, n_runs))
        self._ranks = ranks if ranks and ranks.size > 1 else None
        n_parts, part = (self._ranks.size, self._ranks.rank) if self._ranks else (1, 0)
        self._n = segments[-1].stop
        n_own = -(-self._n // (n_parts * _ALIGNMENT)) * _ALIGNMENT
        self._own = slice(part * n_own, (part + 1) * n_own)
        self._segments = list(_within(segments, self._own))
        like = named[0][1]
        self.parameters_RP, self.gradients_RP, self._mean_RP, self._square_RP = (
            torch.zeros((n_runs, n), dtype=like.dtype, device=like.device)
            for n in (n_parts * n_own, n_parts * n_own, n_own, n_own)
        )
        self._own_parameters_RP = self.parameters_RP[:, self._own]
        self._own_gradients_RP = self.gradients_RP[:, self._own]
        self._step = torch.zeros((), device=like.device)
        self._batched = not like.is_cpu if batched is None else batched
        if self._batched:
            self._lr_multiplier_P, self._decay_P = self._rules(like)
        self._parameters = [parameter for _, parameter in named]
        slices = _move_into(named, self.parameters_RP)
        self._gradients = [
            self.gradients_RP[:, part].view(p.shape) for part, p in zip(slices, self._parameters, strict=True)
        ]

        if self._ranks:
            for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
                parameter.grad = gradient

    def backward(self, loss_R: Tensor, accumulate: bool = False) -> None:
        """Write the gradient of each run's loss to `gradients_RP`, or add it if `accumulate`."""
        if self._ranks:  # no second copy of all gradients, at an operation for each parameter
            if not accumulate:
                self.gradients_RP.zero_()
            loss_R.sum().backward()
            return
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
        self._step += 1
        norm_R = self._norms()
        divisor_R = _divisor(norm_R, max_norm)
        if self._batched:
            self._update_all(to_device(lr_R, self._step.device)[:, None], divisor_R[:, None])
        else:
            for run, lr in enumerate(lr_R):
                for segment in self._segments:
                    self._update(run, segment, lr, divisor_R[run])
        if self._ranks:
            for row_P in self.parameters_RP:
                self._ranks.share_parts_(row_P)
        return norm_R

    def average_gradients(self, ranks: Ranks) -> None:
        """Replace the gradients, or this process's part of them, by their mean over the processes."""
        if self._ranks is None:
            ranks.average_(self.gradients_RP)
            return
        for row_P in self.gradients_RP:
            self._ranks.average_part_(row_P)

    def _norms(self) -> Tensor:
        if self._batched:
            norm_R = torch.linalg.vector_norm(self._own_gradients_RP, dim=1)
        else:
            norm_R = torch.stack([torch.linalg.vector_norm(row) for row in self._own_gradients_RP])
        return self._ranks.sum_(norm_R.square()).sqrt() if self._ranks else norm_R

    def compile_update(self) -> None:
        """Make one operation of a batched update; a single pass over memory needs none."""
        if self._batched:
            self._update_part = torch.compile(self._update_part, dynamic=False)

    def _update_all(self, lr_R1: Tensor, divisor_R1: Tensor) -> None:
        """Update all runs; every number is on the device, so that the host need not wait for it."""
        per_run = (self._own_parameters_RP, self._own_gradients_RP, self._mean_RP, self._square_RP)
        # Whole lines of memory: the compiled update would first copy a part that starts elsewhere.
        at_once = max(1, UPDATED_AT_ONCE // len(lr_R1) // _ALIGNMENT) * _ALIGNMENT
        for start in range(0, self._mean_RP.shape[1], at_once):
            part = slice(start, start + at_once)
            parts = (buffer_RP[:, part] for buffer_RP in per_run)
            self._update_part(lr_R1 * self._lr_multiplier_P[part], self._decay_P[part], divisor_R1, *parts)

    def _update_part(
        self,
        lr_RP: Tensor,
        decay_P: Tensor,
        divisor_R1: Tensor,
        parameters_RP: Tensor,
        gradients_RP: Tensor,
        mean_RP: Tensor,
        square_RP: Tensor,
    ) -> None:
        beta1, beta2 = self.betas
        gradients_RP.div_(divisor_R1)
        mean_RP.lerp_(gradients_RP, 1 - beta1)
        square_RP.mul_(beta2).addcmul_(gradients_RP, gradients_RP, value=1 - beta2)
        parameters_RP.addcmul_(parameters_RP, lr_RP * decay_P, value=-1)
        root_RP = square_RP.div(1 - torch.pow(beta2, self._step)).sqrt_().add_(self.eps)
        parameters_RP.addcdiv_(mean_RP * (lr_RP / (1 - torch.pow(beta1, self._step))), root_RP, value=-1)

    def _rules(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Learning-rate multiplier and weight decay of every parameter of a run."""
        rate_P, decay_P = torch.zeros(2, self._mean_RP.shape[1], dtype=like.dtype)  # 0 in the padding
        for segment in self._segments:
            rate_P[segment.start : segment.stop] = segment.lr_multiplier
            decay_P[segment.start : segment.stop] = self.weight_decay if segment.decay else 0.0
        return rate_P.to(like.device), decay_P.to(like.device)

    def _update(self, run: int, segment: _Segment, lr: float, grad_divisor: Tensor) -> None:
        part = slice(segment.start, segment.stop)
        buffers = (self._own_parameters_RP, self._own_gradients_RP, self._mean_RP, self._square_RP)
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

    def own_state(self) -> dict[str, Tensor]:
        """State of this process: parameters, its part of the moments, step."""
        return {
            "parameters_RP": self.parameters_RP[:, : self._n],
            "mean_RP": self._mean_RP,
            "square_RP": self._square_RP,
            "step": self._step,
        }

    def state_dict(self) -> dict[str, Tensor]:
        """State from which the runs resume bit for bit, on any number of processes.

        All processes must call it together if they share the moments, which only the one that writes gets whole.
        """
        state = self.own_state()
        if self._ranks is None:
            return state
        return state | {name: self._ranks.joined(state[name])[:, : self._n] for name in ("mean_RP", "square_RP")}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy a saved state in, the module's parameters with it; of whole moments this process's part."""
        whole = self.parameters_RP[:, : self._n].shape
        with torch.no_grad():
            for name, own in self.own_state().items():
                given = state[name]
                if self._ranks and name != "parameters_RP" and given.shape == whole:
                    given = given[:, self._own]
                    own = own[:, : given.shape[1]]
                if own.shape != given.shape:
                    raise ValueError(f"{name} is {tuple(given.shape)} in the checkpoint, {tuple(own.shape)} here")
                own.copy_(given)


def _divisor(norm_R: Tensor, max_norm: float | None) -> Tensor:
    """Number by which each run's gradient is divided, so that its norm is `max_norm` at most."""
    return (norm_R / max_norm).clamp_(min=1.0) if max_norm else torch.ones_like(norm_R)


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


def _within(segments: Sequence[_Segment], own: slice) -> Iterator[_Segment]:
    """Parts of the segments that lie in a slice, counted from its start."""
    for segment in segments:
        start, stop = max(segment.start, own.start), min(segment.stop, own.stop)
        if start < stop:
            yield replace(segment, start=start - own.start, stop=stop - own.start)


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
