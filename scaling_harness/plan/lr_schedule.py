"""Learning-rate schedules as pure functions of the step."""

import math
from typing import Literal

DecayShape = Literal["cosine", "constant", "linear", "one_minus_sqrt"]


def lr_multiplier(
    step: int,
    decay_end: int,
    warmup_steps: int,
    decay_start: int,
    shape: DecayShape,
    final_fraction: float,
    fall_exponent: float = 0.0,
) -> float:
    """Return the factor on the peak learning rate at one step.

    Parameters
    ----------
    step : int
        0-based; the first step of a warm-up of w steps has the factor 1/w.
    decay_end : int
        Step at which the decay ends: the length of the run, or more for a cosine that is longer than it.
    warmup_steps : int
        Length of the linear warm-up.
    decay_start : int
        First step of the decay: the end of the warm-up for a cosine, later for warm-up-stable-decay.
    shape : {"cosine", "constant", "linear", "one_minus_sqrt"}
        Form of the decay; `one_minus_sqrt` is from Hägele et al. (2024), section 4.
    final_fraction : float
        Factor at the end of the decay.
    fall_exponent : float
        After the warm-up the factor is (steps / warm-up steps) to minus this power, times that of the decay
        (Shen et al. 2024, arXiv 2408.13359, whose rate is a power of the tokens).

    Returns
    -------
    float
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    fallen = ((step + 1) / warmup_steps) ** -fall_exponent if fall_exponent else 1.0
    if shape == "constant" or step < decay_start:
        return fallen
    done = (step - decay_start) / max(1, decay_end - decay_start)
    return fallen * (final_fraction + (1.0 - final_fraction) * _remaining(done, shape))


def _remaining(done: float, shape: DecayShape) -> float:
    if shape == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    if shape == "linear":
        return 1.0 - done
    return 1.0 - math.sqrt(done)
