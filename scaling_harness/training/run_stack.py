"""Train R runs of one shape in lockstep: one model with a run axis, one optimizer, batch, rate and seed for each run.

R run, B sequences of a batch, T time, P parameters of one run.
"""

import contextlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.data.open_source import open_source
from scaling_harness.errors import CannotTrainHereError
from scaling_harness.models.language_model import RANDOM_GPU, LanguageModel, UserModule
from scaling_harness.models.registry import describe
from scaling_harness.plan.plan import Plan
from scaling_harness.record.record import EvalLoss
from scaling_harness.training.batch_feed import BatchFeed
from scaling_harness.training.checkpoint import select
from scaling_harness.training.distributed import Ranks
from scaling_harness.training.evaluate import evaluate, exact_matches
from scaling_harness.training.flat_adamw import FlatAdamW
from scaling_harness.training.gradient_noise import measure, next_windows


class Stack:
    """Parameters, moments and batches of runs that train in lockstep, each with the numbers that it has alone.

    Parameters
    ----------
    runs : sequence of Plan
        Runs of one shape and batch; seeds, rates, schedules and lengths may differ.
    runtime : RuntimeConfig
        Precision, micro-batch, compilation.
    ranks : Ranks
        Processes that share the batch.
    device : str
        Device of this process.
    """

    def __init__(self, runs: Sequence[Plan], runtime: RuntimeConfig, ranks: Ranks, device: str) -> None:
        self.runtime, self.ranks, self.device = runtime, ranks, device
        first = runs[0]
        self.source = open_source(first.config.data, first.data, first.config.model.n_ctx, first.batch_seqs)
        self._build(runs)

    def _build(self, runs: Sequence[Plan]) -> None:
        self.runs = tuple(runs)
        self.model = build_model(self.runs).to(self.device)
        self.optimizer = build_optimizer(self.model, self.runs[0], self.ranks if self.runtime.shard_optimizer else None)
        self._loss = self.model.loss_recomputing if self.runtime.recompute_activations else self.model.loss
        if self.runtime.compile:
            self._compile()
        own_part, seeds = slice(self.ranks.rank, None, self.ranks.size), [run.config.seed for run in self.runs]
        self._feed = BatchFeed(self.source, seeds, own_part, self.device, ahead=self._on_gpu)

    @property
    def _on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def _compile(self) -> None:
        # What was compiled for other shapes counts against a limit, beyond which torch would train eagerly.
        torch.compiler.reset()
        mode = "reduce-overhead" if self._on_gpu else None
        self._loss = torch.compile(self._loss, mode=mode, dynamic=False)
        self.optimizer.compile_update()

    def step(self, step: int) -> tuple[Tensor, Tensor]:
        """Train every run on its batch of a 0-based step.

        Returns
        -------
        tuple of Tensor
            loss_R, nats per token, and norm_R, gradient norms before clipping; on the device.
        """
        loss_R = self._accumulate(self._feed.batch(step))
        self.optimizer.average_gradients(self.ranks)
        self.ranks.average_(loss_R)
        lr_R = [run.lr_at(step) for run in self.runs]
        return loss_R, self.optimizer.step(lr_R, self.runs[0].config.optim.grad_clip)

    def _accumulate(self, batch_RBT: Tensor) -> Tensor:
        """Compute the gradients of the batch in the optimizer's buffer; return loss_R."""
        n_seqs = batch_RBT.shape[1]
        at_once = self.runtime.micro_batch or n_seqs
        total_R = torch.zeros(len(self.runs), device=self.device)
        for start in range(0, n_seqs, at_once):
            part = batch_RBT[:, start : start + at_once]
            if self.runtime.compile and self._on_gpu:
                torch.compiler.cudagraph_mark_step_begin()
            with self._autocast():
                loss_R = self._loss(part[:, :, :-1], part[:, :, 1:]) * (part.shape[1] / n_seqs)
            self.optimizer.backward(loss_R, accumulate=start > 0)
            total_R += loss_R.detach()
        return total_R

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.runtime.dtype == "float32":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def evaluate(self, row: int, windows: np.ndarray) -> EvalLoss:
        """Compute the loss of one run on windows of held-out tokens; see `evaluate.evaluate`."""
        run, truth = self.runs[row], self.source.truth
        by_position = run.config.evaluation.by_position
        return evaluate(self.model.alone(row), windows, run.data.vocab_size, self.device, truth, by_position)

    def answers(self, row: int, windows: np.ndarray) -> list[list[int]]:
        """Count the answers of one run that are without an error; see `evaluate.exact_matches`."""
        run = self.runs[row]
        lengths, model = run.config.evaluation.answer_tokens, self.model.alone(row)
        return exact_matches(model, windows, lengths, run.data.vocab_size, self.device, self.source.truth)

    def measure_noise(self, row: int, step: int) -> tuple[float, float]:
        """Measure |G|^2 and tr(Sigma) of one run after a number of steps; see `gradient_noise.measure`."""
        config = self.runs[row].config
        windows = self._feed.call(next_windows, config.seed, step, config.evaluation.noise_seqs)
        with self._autocast():
            return measure(self.model, row, torch.from_numpy(windows).to(self.device))

    def state_dict(self, rows: Sequence[int] | None = None) -> dict[str, Tensor]:
        """State from which the runs, or some of them, resume bit for bit.

        See `FlatAdamW.state_dict` and `LanguageModel.running_state`.
        """
        state = self.optimizer.state_dict() | self.model.running_state()
        return state if rows is None else select(state, rows)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Resume from a saved state of the same runs."""
        self.optimizer.load_state_dict(state)
        self.model.load_running_state(state)

    def missing_keys(self, state: Mapping[str, Tensor]) -> list[str]:
        """Keys that a saved state lacks: earlier versions saved neither buffers nor random state."""
        return sorted(set(self.optimizer.own_state() | self.model.running_state()) - set(state) - {RANDOM_GPU})

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only some of the runs."""
        state = select(self.optimizer.own_state() | self.model.running_state(), rows)
        self._free()
        self._build([self.runs[row] for row in rows])
        self.load_state_dict(state)

    def close(self) -> None:
        """End the feed; free the GPU's memory, because the worker's process stays and the next run may need it all."""
        self._free()
        if self._on_gpu:
            torch.cuda.empty_cache()

    def _free(self) -> None:
        """Let go of the model and optimizer, and of compiled code, which holds memory of its own."""
        self._feed.close()
        for part in ("model", "optimizer", "_loss"):
            vars(self).pop(part, None)
        if self.runtime.compile:
            torch.compiler.reset()


def build_model(runs: tuple[Plan, ...]) -> LanguageModel:
    """Build the runs' model, each initialised from its own seed, and check its parameter counts.

    Parameters
    ----------
    runs : tuple of Plan
        Runs of one shape; a single run if their architecture is not stackable.

    Returns
    -------
    LanguageModel

    Raises
    ------
    HarnessError
        The parameter counts by group do not add up to the module's.
    """
    first = runs[0]
    config, vocab_size = first.config.model, first.data.vocab_size
    torch.manual_seed(first.config.seed)
    architecture = describe(config, vocab_size)
    if architecture.stackable:
        model: LanguageModel = architecture.build([run.config.seed for run in runs])
    else:
        model = UserModule(architecture.build(), architecture.lr_multipliers or {})
    counted = sum(parameter.numel() for parameter in model.parameters()) // len(runs)
    planned = sum(first.params.values())
    if counted != planned:
        groups = {name: n for name, n in first.params.items() if n}
        raise CannotTrainHereError(
            f"{first.config.model.target or 'the model'} has {counted:,} parameters, its groups add up to {planned:,}: "
            f"{groups}; correct the counts in its Architecture"
        )
    return model


def build_optimizer(model: LanguageModel, run: Plan, sharded_over: Ranks | None = None) -> FlatAdamW:
    """Build the optimizer of a plan; the model's parameters become views of its buffer."""
    optim = run.config.optim
    return FlatAdamW(
        model,
        model.update_rules(),
        n_runs=model.n_runs,
        betas=(optim.beta1, optim.beta2),
        eps=optim.eps,
        weight_decay=optim.weight_decay,
        ranks=sharded_over,
    )
