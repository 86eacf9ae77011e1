"""The run of a recipe at another size and length: its shape, batch, steps and learning rate, without its data."""

import dataclasses
from dataclasses import dataclass

from scaling_harness.config.schema import DataConfig, NoiseData, RepeatedData, RunConfig, TextData, TokensBudget
from scaling_harness.data import text_tokenizer
from scaling_harness.plan.scale_rules import Scale, batch_tokens, learning_rate
from scaling_harness.plan.shape_for_size import Shape


@dataclass(frozen=True)
class SizedRun:
    """A run that can be trained as it is."""

    config: RunConfig
    n_params: dict[str, int]
    """N by count."""
    batch_tokens: int
    n_steps: int
    learning_rate: float
    """Peak learning rate; with muP the one at width 64."""

    @property
    def n_tokens(self) -> int:
        """D: a whole number of steps."""
        return self.n_steps * self.batch_tokens


def sized_run(config: RunConfig, shape: Shape, n_tokens: float) -> SizedRun:
    """Give a recipe another shape and length.

    Parameters
    ----------
    config : RunConfig
        The recipe; its rules choose the batch and the learning rate.
    shape : Shape
        From `shape_for_size`.
    n_tokens : float
        Wanted D.

    Returns
    -------
    SizedRun

    Raises
    ------
    UserError
        A rule gives no positive value at that size.
    """
    model = shape.model
    at = Scale(shape.n_params, n_tokens, model.n_layer, model.d_model, model.n_ctx)
    batch = batch_tokens(config.budget.batch_tokens, at)
    n_steps = max(1, round(n_tokens / batch))
    rate = learning_rate(config.optim.lr, dataclasses.replace(at, n_tokens=n_steps * batch))
    budget = TokensBudget(batch_tokens=config.budget.batch_tokens, n_tokens=n_steps * batch)
    return SizedRun(dataclasses.replace(config, model=model, budget=budget), shape.n_params, batch, n_steps, rate)


def vocab_size_of(data: DataConfig) -> int:
    """V that a data set will have, before it is prepared."""
    if isinstance(data, NoiseData):
        return vocab_size_of(data.source) + data.n_noise_tokens
    if isinstance(data, RepeatedData):
        return vocab_size_of(data.source)
    if isinstance(data, TextData):
        return text_tokenizer.vocab_size_of(data.tokenizer)
    return data.vocab_size
