"""Every law by its name: where a new one is entered."""

from analysis.laws.amari import amari
from analysis.laws.chinchilla import chinchilla, skaling, tied
from analysis.laws.kaplan import (
    kaplan_lc,
    kaplan_lc_offset,
    kaplan_ld,
    kaplan_ld_offset,
    kaplan_ln,
    kaplan_ln_d,
    kaplan_ln_d_footnote,
    kaplan_ln_offset,
    kaplan_ln_s,
)
from analysis.laws.law import Law
from analysis.laws.loglinear import loglinear
from analysis.laws.muennighoff import muennighoff
from analysis.laws.rosenfeld import rosenfeld
from scaling_harness.errors import UserError

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        chinchilla,
        tied,
        skaling,
        muennighoff,
        kaplan_ln,
        kaplan_ln_offset,
        kaplan_ld,
        kaplan_ld_offset,
        kaplan_lc,
        kaplan_lc_offset,
        kaplan_ln_d,
        kaplan_ln_d_footnote,
        kaplan_ln_s,
        loglinear,
        rosenfeld,
        amari,
    )
}


def law_named(law: Law | str) -> Law:
    """A law, or the one of that name.

    Raises
    ------
    UserError
        No law has the name.
    """
    if isinstance(law, Law):
        return law
    if law not in LAWS:
        raise UserError(f"law {law!r} is not known; choose from {', '.join(LAWS)}")
    return LAWS[law]
