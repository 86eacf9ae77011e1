"""Can these rows identify this law at all? Refusals and warnings before anything is fitted."""

from collections.abc import Mapping

import numpy as np

from analysis.laws import Array, Law
from scaling_harness.errors import HarnessError

RANK_TOLERANCE = 1e-6  # singular value of standardised log inputs, relative
SAME_LEVEL = 0.02  # relative: values closer than this are one level
MIN_LEVELS = 3
TOKENS_PER_PARAM = (1e-2, 1e6)  # outside: a unit is probably wrong
SMALLEST_COUNT = 100
LARGEST_LOSS_NATS = 25.0


def check_rows(law: Law, inputs: Mapping[str, Array], loss: Array) -> list[str]:
    """Refuse what cannot be fitted, and name what is weak.

    Raises
    ------
    HarnessError
        Values that are not positive numbers, fewer rows than parameters, an input of one level, or
        inputs collinear in logs.
    """
    for name, values in {**inputs, "loss": loss}.items():
        bad = int((~np.isfinite(values) | (values <= 0)).sum())
        if bad:
            raise HarnessError(f"{bad} of {len(values)} rows have a {name} that is not a positive number: drop them")
    if len(loss) < len(law.params):
        raise HarnessError(
            f"{len(loss)} runs cannot fix the {len(law.params)} parameters of {law.formula}: "
            f"give at least {len(law.params) + 1}"
        )
    powers = {name: inputs[name] for name in law.power_inputs}
    _check_levels(law, powers)
    _check_rank(law, powers)
    _check_repeats(law, inputs)
    return [*_level_warnings(inputs), *_unit_warnings(inputs, loss)]


def n_levels(values: Array) -> int:
    """Distinct values, those within 2 % of each other counted once; a continuous stretch has many."""
    logs = np.sort(np.log(values))
    stretches = np.split(logs, np.flatnonzero(np.diff(logs) > SAME_LEVEL) + 1)
    return sum(1 + int((stretch[-1] - stretch[0]) / (2 * SAME_LEVEL)) for stretch in stretches)


def _check_levels(law: Law, inputs: Mapping[str, Array]) -> None:
    for name, values in inputs.items():
        if n_levels(values) == 1:
            raise HarnessError(
                f"all runs have the same {name} = {values[0]:.4g}: the exponent of {name} in {law.formula} "
                f"is not identified; add runs at another {name}"
            )


def _check_rank(law: Law, inputs: Mapping[str, Array]) -> None:
    """Inputs that move together in logs leave only some combinations of exponents identified."""
    if len(inputs) < 2:
        return
    names = list(inputs)
    logs = np.stack([np.log(inputs[name]) for name in names], axis=1)
    logs = logs - logs.mean(axis=0)
    _, singular, rotation = np.linalg.svd(logs, full_matrices=False)
    if singular[-1] > RANK_TOLERANCE * singular[0]:
        return
    identified = [
        " ".join(f"{weight:+.3g} ln {name}" for weight, name in zip(row, names, strict=True))
        for row, size in zip(rotation, singular, strict=True)
        if size > RANK_TOLERANCE * singular[0]
    ]
    raise HarnessError(
        f"{', '.join(names)} are collinear in logs: of {law.formula} only the effect along "
        f"{'; '.join(identified)} is identified; vary them separately"
    )


def _check_repeats(law: Law, inputs: Mapping[str, Array]) -> None:
    """A law of repeated data needs some."""
    if law.repeats and not (inputs["D"] > inputs["U"] * (1 + SAME_LEVEL)).any():
        raise HarnessError(
            f"no run has seen a token twice (D > U): {law.repeats[0]} of {law.formula} is not identified; fit `tied`"
        )


def _level_warnings(inputs: Mapping[str, Array]) -> list[str]:
    return [
        f"few levels: {levels} values of {name}; intervals from two levels cover far too rarely"
        for name, values in inputs.items()
        if (levels := n_levels(values)) < MIN_LEVELS
    ]


def _unit_warnings(inputs: Mapping[str, Array], loss: Array) -> list[str]:
    """Signs of N in millions, or of a perplexity given as a loss."""
    sentences = []
    if {"N", "D"} <= set(inputs):
        ratio = float(np.median(inputs["D"] / inputs["N"]))
        if not TOKENS_PER_PARAM[0] <= ratio <= TOKENS_PER_PARAM[1]:
            sentences.append(
                f"the median D/N is {ratio:.3g} tokens per parameter: is N or D given in thousands or millions?"
            )
    sentences += [
        f"the median {name} is {np.median(inputs[name]):.3g}: is it given in millions?"
        for name in ("N", "D")
        if name in inputs and np.median(inputs[name]) < SMALLEST_COUNT
    ]
    if np.median(loss) > LARGEST_LOSS_NATS:
        sentences.append(f"the median loss is {np.median(loss):.3g} nats per token: is it a perplexity?")
    return sentences
