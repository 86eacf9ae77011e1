"""Every paper by its key: where a new one is entered."""

from analysis.papers.figure import Paper
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.truth import truth
from scaling_harness.errors import UserError

PAPERS: dict[str, Paper] = {paper.key: paper for paper in (kaplan2020, truth)}


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
