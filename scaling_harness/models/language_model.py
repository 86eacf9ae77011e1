"""Interface of a model to the trainer, and an adapter for a user's own module.

R run, B batch, T time, V vocabulary.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling_harness.errors import CannotTrainHereError

_RANDOM = "random"
RANDOM_GPU = "random gpu"
"""Key of a `running_state` that is there only if it was saved on a GPU."""


@dataclass(frozen=True)
class UpdateRule:
    """How one parameter is updated: `lr_multiplier` times the learning rate, with weight decay or without."""

    lr_multiplier: float = 1.0
    decay: bool = True


class LanguageModel(nn.Module):
    """Interface of a model to the trainer: losses per run, and how each parameter is updated."""

    n_runs: int
    has_run_axis = True
    """Whether every parameter has the run axis first."""
    run_buffers: Collection[str] = ()
    """Names of the buffers that have it too."""

    def loss(self, tokens_RBT: Tensor, targets_RBT: Tensor) -> Tensor:
        """Compute the mean loss of each run, for training.

        Parameters
        ----------
        tokens_RBT, targets_RBT : Tensor
            Token ids, int64; targets are the tokens one position later.

        Returns
        -------
        Tensor
            loss_R, nats per token. The gradient of its sum gives every run its own gradient.
        """
        raise NotImplementedError

    def loss_recomputing(self, tokens_RBT: Tensor, targets_RBT: Tensor) -> Tensor:  # noqa: ARG002
        """Compute `loss` without keeping the blocks' activations: the backward pass computes them again."""
        raise CannotTrainHereError(
            "runtime.recompute_activations is for the built-in decoder, whose blocks are known: leave it out, or give "
            "a smaller runtime.micro_batch"
        )

    def forward(self, tokens_RBT: Tensor) -> Tensor:
        """Compute logits_RBTV."""
        raise NotImplementedError

    def token_losses(self, tokens_RBT: Tensor, targets_RBT: Tensor) -> Tensor:
        """Compute the loss of each token, losses_RBT in nats, for evaluation."""
        return cross_entropies(self(tokens_RBT), targets_RBT)

    def update_rules(self) -> dict[str, UpdateRule]:
        """Learning rate and decay by parameter name."""
        raise NotImplementedError

    def running_state(self) -> dict[str, Tensor]:
        """State besides parameters that training changes, for a checkpoint: tensors with the run axis first."""
        return {}

    def load_running_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore a `running_state`; `state` may hold more than that."""

    def alone(self, run: int) -> "LanguageModel":
        """Give one of the runs as a model of its own, with shared parameters."""
        raise NotImplementedError


class UserModule(LanguageModel):
    """A user's own module, trained as the only run.

    Parameters
    ----------
    module : nn.Module
        Token ids (B, T) in, logits (B, T, V) out.
    lr_multipliers : mapping of str to float
        Factor on the learning rate by parameter name; 1 if absent.
    """

    n_runs = 1
    has_run_axis = False

    def __init__(self, module: nn.Module, lr_multipliers: Mapping[str, float]) -> None:
        super().__init__()
        self.module, self._lr_multipliers = module, lr_multipliers
        if unknown := sorted(set(lr_multipliers) - {name for name, _ in module.named_parameters()}):
            raise ValueError(f"lr_multipliers name parameters that the module lacks: {', '.join(unknown)}")

    def update_rules(self) -> dict[str, UpdateRule]:  # noqa: D102
        return {
            f"module.{name}": UpdateRule(self._lr_multipliers.get(name, 1.0), decay=parameter.ndim >= 2)
            for name, parameter in self.module.named_parameters()
        }

    def running_state(self) -> dict[str, Tensor]:
        """Buffers, and the state of torch's random numbers, which dropout draws; on a GPU also of its generator."""
        state = {f"buffer {name}": buffer[None] for name, buffer in self.module.named_buffers()}
        state[_RANDOM] = torch.get_rng_state()[None]
        if (device := self._gpu()) is not None:
            state[RANDOM_GPU] = torch.cuda.get_rng_state(device)[None]
        return state

    @torch.no_grad()
    def load_running_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: D102
        for name, buffer in self.module.named_buffers():
            buffer.copy_(state[f"buffer {name}"][0])
        torch.set_rng_state(state[_RANDOM][0].cpu())
        device = self._gpu()
        if device is not None and RANDOM_GPU in state:
            torch.cuda.set_rng_state(state[RANDOM_GPU][0].cpu(), device)

    def _gpu(self) -> torch.device | None:
        device = next(self.module.parameters()).device
        return device if device.type == "cuda" else None

    def alone(self, run: int) -> "UserModule":  # noqa: ARG002, D102
        return self

    def loss(self, tokens_RBT: Tensor, targets_RBT: Tensor) -> Tensor:  # noqa: D102
        return self.token_losses(tokens_RBT, targets_RBT).mean((1, 2))

    def forward(self, tokens_RBT: Tensor) -> Tensor:  # noqa: D102
        return self.module(tokens_RBT[0])[None]


def cross_entropies(logits_RBTV: Tensor, targets_RBT: Tensor) -> Tensor:
    """Compute the loss of each token, losses_RBT in nats."""
    losses = F.cross_entropy(logits_RBTV.flatten(0, 2), targets_RBT.flatten(), reduction="none")
    return losses.view(targets_RBT.shape)
