"""Every paper by its key: where a new one is entered."""

from analysis.papers.amari1992 import amari1992
from analysis.papers.besiroglu2024 import besiroglu2024
from analysis.papers.cagnetta2026 import cagnetta2026
from analysis.papers.czech2026 import czech2026
from analysis.papers.emergence import emergence
from analysis.papers.figure import Paper
from analysis.papers.hagele2024 import hagele2024
from analysis.papers.hestness2017 import hestness2017
from analysis.papers.hoffmann2022 import hoffmann2022
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.mccandlish2018 import mccandlish2018
from analysis.papers.merrill2025 import merrill2025
from analysis.papers.muennighoff2023 import muennighoff2023
from analysis.papers.pearce2024 import pearce2024
from analysis.papers.porian2024 import porian2024
from analysis.papers.reconciliation import reconciliation
from analysis.papers.rosenfeld2020 import rosenfeld2020
from analysis.papers.truth import truth
from scaling_harness.errors import UserError

PAPERS: dict[str, Paper] = {
    paper.key: paper
    for paper in (
        kaplan2020,
        hoffmann2022,
        pearce2024,
        porian2024,
        besiroglu2024,
        czech2026,
        hagele2024,
        hestness2017,
        cagnetta2026,
        mccandlish2018,
        merrill2025,
        muennighoff2023,
        amari1992,
        rosenfeld2020,
        reconciliation,
        truth,
        emergence,
    )
}


def paper_named(key: str) -> Paper:
    """A paper by its key.

    Raises
    ------
    UserError
        There is none of that key.
    """
    if key not in PAPERS:
        raise UserError(f"no paper is called {key!r} here: there are {', '.join(PAPERS)}")
    return PAPERS[key]
