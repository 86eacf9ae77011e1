"""Exponents of several fits side by side: differences with intervals, and what may not be compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.comparing.returns import gain_of_doubling, has_returns, loss_at, returns_of
from analysis.fitting.estimate import Estimate
from analysis.fitting.result import FitResult
from analysis.forecasting.inverse import compute_for_loss
from analysis.forecasting.source import CONVENTIONS, Source, as_source
from analysis.to_html import estimate_rows, html_table, page, sentences
from analysis.to_json import document
from scaling_harness.errors import HarnessError, UserError

FRONTIER = ("a", "b")
LOSS_FIELDS = ("vocab_size", "data_id", "n_ctx")  # losses per token mean the same only if these agree
WHY = {
    "count": "at small sizes the count of N alone moves a (Porian et al. 2024: .835 to .706 by counting the head)",
    "compute": "C is counted differently",
    "vocab_size": "other tokenizers have other losses per token: bits_per_byte_test of `table` compares them",
    "data_id": "other data have other exponents and other irreducible losses",
    "n_ctx": "a longer context lowers the loss per token",
    "recipe": "the recipes differ, which may be what is compared",
}
GAIN = "nats off by twice C"
NORMAL_DRAWS = 4000
PAIRING_KEYS = ("rows", "resample", "resamples", "seed", "clusters")


@dataclass(frozen=True)
class Difference:
    """One quantity of the first source minus the same of the second.

    ``pairing`` is "paired" (same resampled rows), "independent", or "one side" if the other prints no error.
    """

    quantity: str
    first: str
    second: str
    estimate: Estimate
    pairing: str

    @property
    def apart(self) -> bool | None:
        """Whether zero lies outside the interval; None without one."""
        interval = self.estimate.ci95
        return None if interval is None else not interval[0] <= 0 <= interval[1]


@document.register
def _(difference: Difference) -> dict[str, Any]:
    sides = {name: getattr(difference, name) for name in ("quantity", "first", "second", "pairing")}
    return {**sides, **document(difference.estimate), "apart": difference.apart}


@dataclass(frozen=True)
class Comparison:
    """Everything that can be said of several sources together.

    Attributes
    ----------
    table : DataFrame
        One row a source: law, count, its exponents, and how much its settings were tuned; at a budget, its loss
        and the nats that twice the budget takes off it.
    differences : tuple of Difference
    refused : tuple of {"what", "pair", "reason"}
        What may not be compared.
    warnings : tuple of str
        Conventions that differ, named; and the sources' own warnings.
    """

    table: pd.DataFrame
    differences: tuple[Difference, ...]
    refused: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        found = f"{len(self.differences)} differences, {len(self.refused)} refused, {len(self.warnings)} warnings"
        return f"<Comparison of {', '.join(self.table['source'])}: {found}>"

    def _repr_html_(self) -> str:
        named = {f"{d.quantity}: {d.first} - {d.second} ({d.pairing})": d.estimate for d in self.differences}
        refused = (f"{row['what']} of {row['pair']}: {row['reason']}" for row in self.refused)
        parts = html_table(self.table), html_table(estimate_rows(named)), sentences(refused, "not compared: ")
        return page(repr(self)[1:-1], *parts, sentences(self.warnings))


@document.register
def _(comparison: Comparison) -> dict[str, Any]:
    names = ("differences", "refused", "warnings")
    return {"sources": comparison.table, **{name: getattr(comparison, name) for name in names}}


def compare(
    sources: Sequence[Source | FitResult | str], *, train_flops: float | None = None, seed: int = 0
) -> Comparison:
    """Compare fits and published constants, two and two.

    Parameters
    ----------
    sources : sequence of Source, FitResult or str
        Two or more; a text is the path of a saved fit, or published:NAME.
    train_flops : float, optional
        Also say, at this budget, how much compute the second needs for the loss of the first, ln(C2/C1), and what
        twice the budget takes off the loss of each.
    seed : int
        Seed of the shuffling of independent resamples.

    Returns
    -------
    Comparison

    Raises
    ------
    UserError
        Fewer than two sources.
    HarnessError
        No two of them have anything in common.
    """
    if len(sources) < 2:
        raise UserError(f"{len(sources)} source given: compare needs two or more fits or published:NAME")
    sides = [as_source(given, f"fit {i}") for i, given in enumerate(sources, 1)]
    differences: list[Difference] = []
    refused: list[Mapping[str, str]] = []
    sentences: list[str] = []
    for first, second in combinations(sides, 2):
        sentences += convention_warnings(first, second)
        allowed, not_allowed = _common_quantities(first, second)
        refused += not_allowed
        differences += [_difference(first, second, name, seed) for name in allowed]
        if train_flops is not None:
            _add_multiplier(first, second, train_flops, seed, differences, refused)
    if not differences:
        raise HarnessError("nothing here may be compared: " + "; ".join(row["reason"] for row in refused))
    notes = [note for source in sides for note in source.notes]
    return Comparison(
        _table(sides, train_flops), tuple(differences), tuple(refused), tuple(dict.fromkeys([*sentences, *notes]))
    )


def _table(sources: Sequence[Source], train_flops: float | None) -> pd.DataFrame:
    rows = [
        {
            "source": source.name,
            "law": source.law.name if source.law else None,
            "count": source.conventions.get("count"),
            **{name: str(estimate) for name, estimate in source.exponents.items()},
            **_returns(source, train_flops),
            "tuning": source.settings.get("tuning") or "not known",
        }
        for source in sources
    ]
    return pd.DataFrame(rows)


def _returns(source: Source, train_flops: float | None) -> dict[str, str]:
    if train_flops is None or not has_returns(source):
        return {}
    loss, gain = returns_of(source, train_flops)
    return {"loss": str(loss), GAIN: str(gain)}


def differing(first: Source, second: Source, fields: Sequence[str] = CONVENTIONS) -> dict[str, tuple[str, str]]:
    """Conventions known on both sides that differ."""
    differences = {}
    for name in fields:
        mine, theirs = first.conventions.get(name), second.conventions.get(name)
        if mine is not None and theirs is not None and str(mine) != str(theirs):
            differences[name] = (str(mine), str(theirs))
    return differences


def convention_warnings(first: Source, second: Source) -> list[str]:
    """A sentence for every convention that differs, and one for those that are not known."""
    pair = f"{first.name} and {second.name}"
    sentences = [
        f"{pair} differ in {name} ({mine} against {theirs}): {WHY[name]}"
        for name, (mine, theirs) in differing(first, second).items()
    ]
    unknown = [name for name in CONVENTIONS if None in (first.conventions.get(name), second.conventions.get(name))]
    if unknown:
        sentences.append(f"{pair}: {', '.join(unknown)} not known on both sides, they may differ")
    return sentences


def _common_quantities(first: Source, second: Source) -> tuple[list[str], list[Mapping[str, str]]]:
    """Exponents that mean the same on both sides, and those of one name that do not (literature: T18)."""
    shared = [name for name in first.exponents if name in second.exponents]
    same_law = first.law is not None and second.law is not None and first.law.name == second.law.name
    allowed = [name for name in shared if name in FRONTIER or same_law]
    pair = f"{first.name}, {second.name}"
    refused: list[Mapping[str, str]] = [
        {"what": name, "pair": pair, "reason": _why_not(first, second, name)} for name in shared if name not in allowed
    ]
    if not shared:
        refused.append({"what": "exponents", "pair": pair, "reason": f"{pair} share no exponent"})
    return allowed, refused


def _why_not(first: Source, second: Source, name: str) -> str:
    laws = [source.law for source in (first, second) if source.law is not None]
    formulas = " against ".join(law.formula for law in laws)
    offsets = {law.offset is not None for law in laws}
    why = "a slope of the total loss is not that of one reducible term" if len(offsets) > 1 else "the laws differ"
    return f"{name} of {formulas}: {why}"


def paired(first: Source, second: Source) -> bool:
    """Whether both were resampled with the same draws of the same rows."""
    if not (first.draws and second.draws) or first.settings.get("rows") is None:
        return False
    return all(first.settings.get(key) == second.settings.get(key) for key in PAIRING_KEYS)


def _difference(first: Source, second: Source, name: str, seed: int) -> Difference:
    mine, theirs = first.exponents[name], second.exponents[name]
    value = mine.value - theirs.value
    drawn = [_draws(source, name, seed + i) for i, source in enumerate((first, second))]
    if all(draws is None for draws in drawn):
        return Difference(name, first.name, second.name, Estimate(value), "no errors")
    if paired(first, second) and drawn[0] is not None and drawn[1] is not None:
        return Difference(name, first.name, second.name, Estimate.from_draws(value, drawn[0] - drawn[1]), "paired")
    pairing = "one side" if any(draws is None for draws in drawn) else "independent"
    constant = [np.array([mine.value]), np.array([theirs.value])]
    sides = [fixed if draws is None else draws for fixed, draws in zip(constant, drawn, strict=True)]
    estimate = Estimate.from_draws(value, np.subtract(*shuffled(sides[0], sides[1], seed)))
    return Difference(name, first.name, second.name, estimate, pairing)


def _draws(source: Source, name: str, seed: int) -> Array | None:
    """Resampled values, normal draws of a printed error, or None."""
    draws = source.exponent_draws(name)
    estimate = source.exponents[name]
    if draws is None and estimate.stderr is not None:
        draws = np.random.default_rng(seed).normal(estimate.value, estimate.stderr, NORMAL_DRAWS)
    return draws


def shuffled(mine: Array, theirs: Array, seed: int) -> tuple[Array, Array]:
    """Two independent sets of draws, each in random order and repeated to a common length."""
    rng = np.random.default_rng(seed)
    size = max(len(mine), len(theirs))
    first, second = (np.resize(rng.permutation(draws), size) for draws in (mine, theirs))
    return first, second


def _add_multiplier(
    first: Source,
    second: Source,
    train_flops: float,
    seed: int,
    differences: list[Difference],
    refused: list[Mapping[str, str]],
) -> None:
    """Append the compute multiplier, or why there is none."""
    pair = f"{first.name}, {second.name}"
    unequal = differing(first, second, LOSS_FIELDS)
    what = "compute for equal loss"
    if unequal:
        reason = "losses of other " + ", ".join(f"{k} ({a} against {b})" for k, (a, b) in unequal.items())
        refused.append({"what": what, "pair": pair, "reason": f"{reason} are not the same quantity"})
    elif not (has_returns(first) and has_returns(second)):
        refused.append({"what": what, "pair": pair, "reason": f"{pair}: both need a law with an optimum, or in C"})
    else:
        multiplier = compute_multiplier(first, second, train_flops, seed)
        gain = _gain_difference(first, second, train_flops, seed)
        for name, estimate in (("ln(C2/C1)", multiplier), (GAIN, gain)):
            pairing = "paired" if paired(first, second) else "independent" if estimate.ci95 else "no errors"
            where = f"{name} at {train_flops:.3g} FLOP"
            differences.append(Difference(where, first.name, second.name, estimate, pairing))


def compute_multiplier(first: Source, second: Source, train_flops: float, seed: int = 0) -> Estimate:
    """Ln(C2/C1): C2 is the compute the second law needs for the loss the first reaches at C1.

    Positive if the first is the better recipe; inf if the second never reaches that loss.
    """
    return _of_both(first, second, lambda mine, theirs: _log_multiplier(first, second, mine, theirs, train_flops), seed)


def _gain_difference(first: Source, second: Source, train_flops: float, seed: int) -> Estimate:
    """Nats that twice the budget takes off the first's loss, less those of the second: whose FLOP returns more."""
    return _of_both(
        first,
        second,
        lambda mine, theirs: gain_of_doubling(first, mine, train_flops) - gain_of_doubling(second, theirs, train_flops),
        seed,
    )


def _of_both(
    first: Source, second: Source, quantity: Callable[[Mapping[str, Array], Mapping[str, Array]], Array], seed: int
) -> Estimate:
    """A quantity of two laws' parameters with its interval, resamples paired if the laws saw the same ones."""
    mine, theirs = ({name: np.array([value]) for name, value in source.values.items()} for source in (first, second))
    value = quantity(mine, theirs)
    if not (first.draws and second.draws):
        return Estimate(float(value[0]))
    sizes = [len(next(iter(source.draws.values()))) for source in (first, second)]
    orders = [np.arange(size, dtype=float) for size in sizes]
    if not paired(first, second):
        orders = list(shuffled(orders[0], orders[1], seed))
    mine, theirs = (
        {name: draws[order.astype(int)] for name, draws in source.draws.items()}
        for source, order in zip((first, second), orders, strict=True)
    )
    return Estimate.from_draws(float(value[0]), quantity(mine, theirs))


def _log_multiplier(
    first: Source, second: Source, mine: Mapping[str, Array], theirs: Mapping[str, Array], train_flops: float
) -> Array:
    loss = loss_at(first, mine, train_flops)
    return np.log(compute_for_loss(second, theirs, loss)) - np.log(train_flops)
