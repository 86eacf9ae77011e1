"""What the page is told of each law: its parameters in one form, its resamples, its cost, and what its runs span."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.fitting.result import UNUSABLE
from analysis.forecasting.source import PREFIX, Line, Source, from_published
from analysis.laws.law import Law, terms_in_n_and_d, why_no_optimum
from analysis.laws.published import PUBLISHED
from analysis.runs.selection import COUNTS
from analysis.to_json import to_json
from scaling_harness.errors import UserError

SHOWN = ("hoffmann2022", "besiroglu2024", "kaplan2020")
SHOWN_BESIDE_FITS = ("besiroglu2024",)


def page_laws(fits: Sequence[Source]) -> list[dict[str, Any]]:
    """The laws of a page as JSON: those given, then the published ones with an N_opt, laws of the loss first.

    Parameters
    ----------
    fits : sequence of Source
        Fits, or published laws that are to be shown at first.

    Returns
    -------
    list of dict
        ``name``, ``shown`` (at first), ``formula``, ``source``, ``unit`` of a token, ``count`` of N, ``vocab_size``,
        ``ranges`` of the runs, ``notes``, ``unusable``; and ``params``, ``draws``, ``cost`` of a law of the loss, or
        ``line``, the coefficients of a printed N_opt = k C^a without one.

    Raises
    ------
    UserError
        A law without an N_opt for a budget.
    """
    first = SHOWN_BESIDE_FITS if fits else SHOWN
    given = [_page_law(source, shown=True) for source in fits]
    names = {law["name"] for law in given}
    published = sorted(map(from_published, PUBLISHED.values()), key=lambda source: source.law is None)
    return given + [
        _page_law(source, shown=source.name.removeprefix(PREFIX) in first)
        for source in published
        if source.name not in names and _reason_left_out(source) is None
    ]


def _reason_left_out(source: Source) -> str | None:
    """Say why the page cannot show a source; None if it can."""
    if source.law is None:
        return None if source.line else f"{source.name} has exponents alone, and no N_opt for a budget: leave it out"
    if source.law.form:
        return f"{source.name} is no sum of powers, the only laws that the page computes: leave it out"
    if source.has_optimum:
        return None
    why = why_no_optimum(source.law)
    return f"{source.name} has no best N and D for a budget, which is what the explorer shows: {why}; leave it out"


def _page_law(source: Source, *, shown: bool) -> dict[str, Any]:
    if reason := _reason_left_out(source):
        raise UserError(reason)
    count = source.conventions.get("count")
    document = {
        "name": source.name,
        "shown": shown,
        "unit": source.unit,
        "count": count if count in COUNTS else None,
        "vocab_size": _whole(source.conventions.get("vocab_size")),
        "ranges": source.input_ranges,
        "notes": source.notes,
        "unusable": any(UNUSABLE in note for note in source.notes),
        **(_of_loss(source, source.law) if source.law else _of_line(source.line)),
    }
    entry = PUBLISHED.get(source.name.removeprefix(PREFIX)) if source.published else None
    return to_json(document | ({"source": entry.source} if entry else {}))


def _of_loss(source: Source, law: Law) -> dict[str, Any]:
    told = {"formula": law.formula, "source": law.source, "cost": source.cost}
    return told | {"params": one_form(law, source.values), "draws": one_form(law, source.draws) or None}


def _of_line(line: Line | None) -> dict[str, Any]:
    assert line is not None  # otherwise there is a reason to leave it out
    return {"formula": f"N_opt = {line.n_coefficient:.4g} C^{line.a:.4g}", "line": line}


def one_form(law: Law, params: Mapping[str, Any]) -> dict[str, Any]:
    """E, A, B, alpha, beta and k of L = E + (A/N^alpha + B/D^beta)^k, by those names; R_N too of repeated data."""
    if not params:
        return {}
    terms = terms_in_n_and_d({name: np.asarray(value, float) for name, value in params.items()}, law)
    assert terms is not None  # a law with an optimum has them
    named = dict(zip(("A", "B", "alpha", "beta"), terms, strict=True))
    named |= {"E": np.asarray(params[law.offset]) if law.offset else 0.0}
    named |= {"k": np.asarray(params[law.outer]) if law.outer else 1.0}
    if law.repeats:
        named["R_N"] = np.asarray(params[law.repeats[1]])
    shape = np.shape(next(iter(params.values())))
    return {name: np.broadcast_to(value, shape) for name, value in named.items()}


def _whole(value: Any) -> int | None:
    """A vocabulary as it is noted: a number, its text, or several."""
    return int(value) if str(value).isdecimal() else None
