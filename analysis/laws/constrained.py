"""A law with parameters held at a value, or with two exponents tied."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.laws.law import EXPONENT_BOUNDS, Law, Term
from scaling_harness.errors import UserError


def hold(law: Law, fixed: Mapping[str, float]) -> Law:
    """The law with parameters held, which a fit then leaves at their values.

    Parameters
    ----------
    law : Law
        Any law.
    fixed : mapping of str to float
        Parameter -> value, in the units of the law; E may be 0.

    Returns
    -------
    Law

    Raises
    ------
    UserError
        A parameter that the law has not, a value that it cannot have, or none left to fit.
    """
    for name, value in fixed.items():
        _check_has(law, name, law.params)
        low, high = law.bounds.get(name, EXPONENT_BOUNDS) if name in law.exponents else (0.0, np.inf)
        inside = low <= value <= high if name in (*law.exponents, law.offset) else low < value < high
        if not (np.isfinite(value) and inside):
            raise UserError(f"{name} = {value:g} cannot be held: in {law.formula} it lies between {low:g} and {high:g}")
    held = {**law.fixed, **fixed}
    if len(held) == len(law.params):
        raise UserError(
            f"all parameters of {law.formula} are held: nothing is left to fit; `forecast --params` uses them"
        )
    return replace(law, fixed=held)


def tie(law: Law, first: str, second: str) -> Law:
    """The law with one exponent in the place of two.

    Parameters
    ----------
    law : Law
        Any law.
    first, second : str
        Exponents; the second takes the name of the first.

    Returns
    -------
    Law

    Raises
    ------
    UserError
        A name that is not an exponent of the law, or twice the same.
    """
    for name in (first, second):
        _check_has(law, name, law.exponents, "exponents can be tied, ")
    if first == second:
        raise UserError(f"{first} cannot be tied to itself: name two of {', '.join(law.exponents)}")
    derived = law.derived
    return replace(
        law,
        formula=re.sub(rf"\^{second}\b", f"^{first}", law.formula),
        terms=tuple(
            Term(term.coefficient, {x: first if p == second else p for x, p in term.exponents.items()})
            for term in law.terms
        ),
        derived=derived and (lambda params: derived({**params, second: params[first]})),
        tied=(*law.tied, (first, second)),
    )


def constrained(law: Law, fixed: Mapping[str, float], tied: Sequence[Sequence[str]]) -> Law:
    """The law with exponents tied, and then parameters held; itself if nothing is asked for."""
    for first, second in tied:
        law = tie(law, first, second)
    return hold(law, fixed) if fixed else law


def parse_values(text: str, option: str) -> dict[str, float]:
    """Read "E=1.6,alpha=.34" as parameter -> value.

    Raises
    ------
    UserError
        A part that is no NAME=NUMBER, or a name given twice; the option is named.
    """
    values: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        if name in values:
            raise UserError(f"{option} gives {name} twice: give it once")
        try:
            values[name] = float(number)
        except ValueError as error:
            raise UserError(f"{option} has {part!r}: write NAME=NUMBER, as in E=1.6,alpha=0.34") from error
    return values


def _check_has(law: Law, name: str, names: Sequence[str], what: str = "") -> None:
    if name not in names:
        raise UserError(f"{law.formula} has no {name!r} for that: {what}it has {', '.join(names)}")
