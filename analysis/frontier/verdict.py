"""All approaches on one table, and what to think of it: they agree, or disagree and the likely cause."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.fitting.estimate import Estimate
from analysis.fitting.goodness_of_fit import fit_quality
from analysis.frontier.approach1_envelope import END_OF_RUN
from analysis.frontier.approach2_isoflop import ENOUGH_SIZES
from analysis.frontier.approaches import Approaches
from analysis.to_json import document

MISFIT = 1.5  # residuals over seed noise from which the law is said to miss something
EXPLAINS = 0.5  # share of a difference that a known bias must account for
UNKNOWN = "cause unknown: more seeds or wider grids would tell"


@dataclass(frozen=True)
class Verdict:
    """The approaches compared.

    Attributes
    ----------
    table : DataFrame
        approach, a, a_low, a_high, b, points, excluded; the variants below the three.
    agree : bool or None
        None where fewer than two approaches gave an exponent.
    disagreements : tuple of {"pair", "difference", "cause"}
    sentence : str
    """

    table: pd.DataFrame
    agree: bool | None
    disagreements: tuple[dict[str, Any], ...]
    sentence: str


@document.register
def _(said: Verdict) -> dict[str, Any]:
    return {"agree": said.agree, "sentence": said.sentence, "disagreements": said.disagreements}


def verdict(found: Approaches) -> Verdict:
    """Judge by the paired differences of a: zero in all their intervals is agreement."""
    apart = {pair: d for pair, d in found.differences.items() if d.ci95 and not d.ci95[0] <= 0 <= d.ci95[1]}
    rows = tuple({"pair": pair, "difference": d, "cause": likely_cause(found, pair, d)} for pair, d in apart.items())
    return Verdict(_table(found), found.agree, rows, _sentence(found, rows))


def _table(found: Approaches) -> pd.DataFrame:
    rows = []
    for name, each in (*found.approaches.items(), *found.variants.items()):
        low, high = each.a.ci95 or (float("nan"), float("nan"))
        rows.append((name, each.a.value, low, high, each.b.value, len(each.points), len(each.excluded)))
    return pd.DataFrame(rows, columns=["approach", "a", "a_low", "a_high", "b", "points", "excluded"])


def _sentence(found: Approaches, disagreements: tuple[dict[str, Any], ...]) -> str:
    if found.agree is None:
        return "fewer than two approaches gave an exponent: nothing to compare"
    if found.agree:
        widest = max(d.ci95[1] - d.ci95[0] for d in found.differences.values() if d.ci95)
        return f"the approaches agree: every difference of a has zero in its interval (widest {widest:.3f})"
    parts = [f"{row['pair']} by {row['difference'].value:+.3f} ({row['cause']})" for row in disagreements]
    return f"the approaches disagree beyond noise: {'; '.join(parts)}"


def likely_cause(found: Approaches, pair: str, difference: Estimate) -> str:
    """The first known cause that holds for these two approaches."""
    causes: dict[str, Callable[[], str | None]] = {
        "1": lambda: _cause_envelope(found),
        "2": lambda: _cause_parabola(found, difference),
        "3": lambda: _cause_law(found),
    }
    reasons = [reason for name in pair.split("-") if (reason := causes[name]())]
    return "; ".join(reasons) or UNKNOWN


def _cause_envelope(found: Approaches) -> str | None:
    traced, first = found.envelope, found.approaches["1"]
    if traced is not None and traced.in_last_part < 0.5:
        return f"the envelope runs mostly before the last {END_OF_RUN:.0%} of runs, their learning rate not yet decayed"
    if first.points.N_opt.nunique() < ENOUGH_SIZES:
        return f"only {first.points.N_opt.nunique()} sizes on the envelope"
    return None


def _cause_parabola(found: Approaches, difference: Estimate) -> str | None:
    bias = found.parabola_bias
    if bias is not None and abs(bias.a) > EXPLAINS * abs(difference.value):
        return f"the parabola's bias on this grid, {bias.a:+.3f} in a"
    if len(found.approaches["2"].excluded) >= len(found.approaches["2"].points):
        return "half of the budgets or more have no bracketed minimum"
    return None


def _cause_law(found: Approaches) -> str | None:
    if found.parametric.status != "converged":
        return f"the parametric fit is at '{found.parametric.status}'"
    quality = fit_quality(found.parametric.law, found.cells, found.noise, found.parametric.residual_rms)
    if quality.ratio is not None and quality.ratio > MISFIT:
        return f"the law misses something: residuals are {quality.ratio:.1f} times what seeds imply"
    return None
