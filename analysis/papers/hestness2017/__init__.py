"""Hestness et al. 2017, Deep Learning Scaling is Predictable, Empirically: what distinct tokens decide."""

from collections.abc import Callable
from typing import Any

from analysis.comparing.equivalence import verdict
from analysis.papers.figure import LawRow, Paper
from analysis.papers.hestness2017.evidence import Evidence, size_law
from analysis.papers.hestness2017.figures import (
    DOMAINS,
    FIGURES,
    KNOWN,
    SAME,
    TABLES,
    TEXT,
    kaplan_exponent,
    of_domains,
    of_one_text,
    only_domain,
)
from analysis.papers.hestness2017.regions import regions_of
from scaling_harness.errors import HarnessError


def _law_rows(evidence_of: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """What the paper found, beside ours."""

    def said(needs: tuple[str, ...], words: Callable[[Evidence], str]) -> str:
        try:
            return words(evidence_of(needs))
        except HarnessError as error:
            return f"not measured: {error}"

    def curve(evidence: Evidence) -> Any:
        return evidence.limited_by_data(only_domain(evidence))

    return [
        LawRow(
            "beta_p, best N ~ D^beta_p",
            ".69 and .78, word models; .78 and .92, character models; [.5, 1) of all",
            said(TEXT, lambda e: f"{size_law(curve(e)).beta_p:.2f}"),
            "an exponent, and so comparable; early stopping instead of a search over regularisation",
        ),
        LawRow(
            "p, D ~ N^p at equal overfitting",
            ".74, Kaplan et al. 2020: fewer tokens than N; 1 / beta_p here: more",
            said(TEXT, lambda e: f"{kaplan_exponent(e):.2f}, Kaplan's procedure on these runs"),
            "no: Kaplan holds the overfitting, Hestness takes the best size; the two ask different questions",
        ),
        LawRow(
            "beta_g on text",
            ".066 word models, .094 (SGD) and .095 (Adam) character models",
            said(TEXT, lambda e: f"{regions_of(curve(e)).beta:.3f} of L - E between the regions"),
            "no: theirs are of the whole loss where E is 0, ours of the loss above a fitted E",
        ),
        LawRow(
            "three regions",
            "guessing, power law, irreducible: a sketch, the last seen in toy problems alone",
            said(KNOWN, lambda e: regions_of(curve(e)).sentence()),
            "on tokens whose irreducible loss is known",
        ),
        LawRow(
            "architecture and optimiser leave the exponent",
            "yes",
            said(SAME, lambda e: verdict(of_one_text(e).differences())),
            "by an equivalence test, at one size and fewer data sizes",
        ),
        LawRow(
            "the domain changes it",
            "yes: translation .13, text .07 to .09, images .31, speech .30",
            said(DOMAINS, lambda e: verdict(of_domains(e).differences())),
            "texts and sources of tokens alone: no images, no speech",
        ),
    ]


_SWEEPS = {name: name for name in dict.fromkeys((*TEXT, *KNOWN, *SAME, *DOMAINS))}
hestness2017 = Paper(
    "hestness2017",
    "Hestness et al. 2017, Deep Learning Scaling is Predictable, Empirically",
    FIGURES,
    Evidence.of,
    _law_rows,
    {"quick": {name: name for name in (*TEXT, *KNOWN)}, "standard": _SWEEPS},
    TABLES,
)
