"""Can these rows identify this law at all? Refusals and warnings before anything is fitted."""

from collections.abc import Mapping

import numpy as np

from analysis.arrays import Array
from analysis.laws.law import Law
from scaling_harness.errors import HarnessError

RANK_TOLERANCE = 1e-6  # singular value of centred log inputs, relative
NEARLY = 1e-2  # the same, below which exponents rest on rounding
SAME_LOSS = 1e-6  # relative: losses closer than this are one
SAME_LEVEL = 0.02  # relative: values closer than this are one level
MIN_LEVELS = 3
TOKENS_PER_PARAM = (1e-2, 1e6)  # outside: a unit is probably wrong
SMALLEST_COUNT = 100
LARGEST_LOSS_NATS = 25.0
RISES = 0.5  # rank correlation with a size, from which what is fitted rises


def check_rows(law: Law, inputs: Mapping[str, Array], loss: Array) -> list[str]:
    """Refuse what cannot be fitted, and name what is weak.

    Parameters
    ----------
    law : Law
        What is to be fitted.
    inputs : mapping
        Input name -> values, shape (n,).
    loss : array (n,)
        Nats per token, or what else the law predicts.

    Returns
    -------
    list of str
        A sentence for each weakness.

    Raises
    ------
    HarnessError
        Values that are not positive numbers, fewer rows than parameters, one loss, an input of one
        level, or inputs collinear in logs.
    """
    predicted = "loss" if law.predicts == "L" else law.predicts
    for name, values in {**inputs, predicted: loss}.items():
        bad = int((~np.isfinite(values) | (values <= 0)).sum())
        if bad:
            raise HarnessError(f"{bad} of {len(values)} rows have a {name} that is not a positive number: drop them")
    if len(loss) < law.n_free:
        raise HarnessError(
            f"{len(loss)} runs cannot fix the {law.n_free} parameters of {law.formula}: give at least {law.n_free + 1}"
        )
    if loss.max() <= loss.min() * (1 + SAME_LOSS):
        raise HarnessError(f"all runs have the same {predicted}, {loss[0]:.7g}: no exponent is identified")
    powers = {name: inputs[name] for name in law.power_inputs if _is_free(law, name)}
    _check_levels(law, powers)
    sentences = _check_rank(law, powers, loss)
    _check_repeats(law, inputs)
    if len(loss) == law.n_free:
        sentences.append(f"{len(loss)} runs for {len(loss)} parameters: the law runs through all, nothing tells errors")
    units = [*_unit_warnings(inputs), *_perplexity_warning(law, loss), *_share_warning(law, powers, loss)]
    return [*sentences, *_level_warnings(inputs), *units]


def n_levels(values: Array) -> int:
    """Distinct values, those within 2 % of each other counted once; a continuous stretch has many."""
    logs = np.sort(np.log(values))
    stretches = np.split(logs, np.flatnonzero(np.diff(logs) > SAME_LEVEL) + 1)
    return sum(1 + int((stretch[-1] - stretch[0]) / (2 * SAME_LEVEL)) for stretch in stretches)


def _is_free(law: Law, name: str) -> bool:
    """Whether an exponent of the input is fitted, not its coefficient alone; or the law's own prediction takes it."""
    powers = [term.exponents[name] for term in law.terms if name in term.exponents]
    return not powers or any(power not in law.fixed for power in powers)


def _check_levels(law: Law, inputs: Mapping[str, Array]) -> None:
    for name, values in inputs.items():
        if n_levels(values) == 1:
            raise HarnessError(
                f"all runs have the same {name} = {values[0]:.4g}: the exponent of {name} in {law.formula} "
                f"is not identified; add runs at another {name}"
            )


def _check_rank(law: Law, inputs: Mapping[str, Array], loss: Array) -> list[str]:
    """Inputs that move together in logs leave only some combinations of exponents identified."""
    if len(inputs) < 2:
        return []
    logs = {name: np.log(values) - np.log(values).mean() for name, values in inputs.items()}
    _, singular, rotation = np.linalg.svd(np.stack(list(logs.values()), axis=1), full_matrices=False)
    names, share = ", ".join(inputs), float(singular[-1] / singular[0])
    if share > NEARLY:
        return []
    if share > RANK_TOLERANCE:
        along = _direction(rotation[-1], list(logs))
        return [
            f"{names} are nearly collinear in logs: along {along} they vary {share:.2g} times as much as together, "
            "and what tells the exponents apart rests on that"
        ]
    kept = [_direction(row, list(logs)) for row in rotation[singular > RANK_TOLERANCE * singular[0]]]
    known = f"the effect along {'; '.join(kept)}" if len(law.terms) > 1 else _identified(law, logs, np.log(loss))
    raise HarnessError(
        f"{names} are collinear in logs: of {law.formula} only this is identified: {known}; vary them separately"
        + _advice(law, logs)
    )


def _advice(law: Law, logs: Mapping[str, Array]) -> str:
    """What to hold of a single power term so that the rest can be fitted; nothing for other laws."""
    if len(law.terms) != 1:
        return ""
    free = _not_combinations(logs)
    exponents = law.terms[0].exponents
    held = [f"{exponents[name]}=0" for name in logs if name not in free]
    return f", or hold what follows from the others, whose effect is then in theirs: --fix {','.join(held)}"


def _direction(weights: Array, names: list[str]) -> str:
    return " ".join(f"{weight:+.3g} ln {name}" for weight, name in zip(weights, names, strict=True))


def _identified(law: Law, logs: Mapping[str, Array], log_loss: Array) -> str:
    """Combinations of exponents of a single power term that collinear inputs leave, with their least-squares values.

    An input that is a combination of others, ln C = ln N + ln D, hands its exponent on to them.
    """
    free = _not_combinations(logs)
    X = np.stack([logs[name] for name in free], axis=1)
    slopes = np.linalg.lstsq(X, log_loss - log_loss.mean())[0]
    shares = {name: np.linalg.lstsq(X, logs[name])[0] for name in logs if name not in free}
    exponents = law.terms[0].exponents
    sums = []
    for i, name in enumerate(free):
        parts = [f"{exponents[name]}", *(_signed(share[i], exponents[other]) for other, share in shares.items())]
        sums.append(f"{' '.join(part for part in parts if part)} = {-slopes[i]:.4g}")
    return " and ".join(sums)


def _not_combinations(logs: Mapping[str, Array]) -> list[str]:
    """Inputs none of which is a combination of those before it, C last: it follows from the others."""
    free: list[str] = []
    for name in sorted(logs, key="C".__eq__):
        if _left_over(logs[name], [logs[other] for other in free]) > RANK_TOLERANCE * np.linalg.norm(logs[name]):
            free.append(name)
    return free


def _left_over(values: Array, others: list[Array]) -> float:
    """Norm of what other columns do not explain."""
    if not others:
        return float(np.linalg.norm(values))
    X = np.stack(others, axis=1)
    return float(np.linalg.norm(values - X @ np.linalg.lstsq(X, values)[0]))


def _signed(weight: float, exponent: str | float) -> str:
    """One part of a sum; empty if it does not count."""
    if abs(weight) < RANK_TOLERANCE:
        return ""
    size = "" if abs(abs(weight) - 1) < RANK_TOLERANCE else f"{abs(weight):.3g} "
    return f"{'+' if weight > 0 else '-'} {size}{exponent}"


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


def _perplexity_warning(law: Law, loss: Array) -> list[str]:
    """Sign of a perplexity given as a loss."""
    if law.predicts == "L" and np.median(loss) > LARGEST_LOSS_NATS:
        return [f"the median loss is {np.median(loss):.3g} nats: is it a perplexity?"]
    return []


def _unit_warnings(inputs: Mapping[str, Array]) -> list[str]:
    """Signs of N in millions."""
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
    return sentences


def _share_warning(law: Law, inputs: Mapping[str, Array], loss: Array) -> list[str]:
    """An accuracy in place of a loss: a share that rises with a size."""
    if law.predicts != "L" or loss.max() > 1.0:
        return []
    ranks = np.argsort(np.argsort(loss, kind="stable"), kind="stable")
    for name, values in inputs.items():
        if np.corrcoef(ranks, np.argsort(np.argsort(values, kind="stable"), kind="stable"))[0, 1] > RISES:
            return [
                f"the losses lie between 0 and 1 and rise with {name}, as an accuracy or a share of exact matches "
                "does: such a measure has thresholds and no power law; fit the loss in nats (see `reproduce emergence`)"
            ]
    return []
