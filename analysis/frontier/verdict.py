"""All approaches on one table, and what to think of it: they agree, or disagree and the likely cause."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.fitting.estimate import Estimate
from analysis.fitting.goodness_of_fit import fit_quality
from analysis.frontier.approach1_envelope import END_OF_RUN
from analysis.frontier.approach2_isoflop import ENOUGH_SIZES
from analysis.frontier.approaches import NEGLIGIBLE, Approaches, differs
from analysis.to_json import document

MISFIT = 1.5  # residuals over seed noise from which the law is said to miss something
EXPLAINS = 0.5  # share of a difference that a known bias must account for
SUM_OFF = 0.02  # how far a + b may be from 1 if C = 6 N D
SAME_LOSSES = "approaches 1 and 2 read the same final losses, so that their agreement alone proves little"
UNKNOWN = "cause unknown: more seeds or wider grids would tell"


@dataclass(frozen=True)
class Verdict:
    """The approaches compared.

    Attributes
    ----------
    table : DataFrame
        approach, a, a_low, a_high, b, points, excluded; the variants below the three.
    agree : bool or None
        None if fewer than two approaches gave an exponent.
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


def verdict(approaches: Approaches) -> Verdict:
    """Judge by the paired differences of a: zero in all their intervals, or next to nothing, is agreement."""
    apart = {pair: d for pair, d in approaches.differences.items() if differs(d)}
    rows = tuple(
        {"pair": pair, "difference": d, "cause": likely_cause(approaches, pair, d)} for pair, d in apart.items()
    )
    torn = _torn(approaches)
    sentence = " ".join([_sentence(approaches, rows, torn), *torn])
    if approaches.decayed is not None and "1-2" in approaches.differences:
        sentence += f"; {SAME_LOSSES}"
    return Verdict(_table(approaches), approaches.agree and not torn, rows, sentence)


def _table(approaches: Approaches) -> pd.DataFrame:
    rows = []
    for name, each in (*approaches.approaches.items(), *approaches.variants.items()):
        low, high = each.a.ci95 or (float("nan"), float("nan"))
        rows.append((name, each.a.value, low, high, each.b.value, len(each.points), len(each.excluded)))
    return pd.DataFrame(rows, columns=["approach", "a", "a_low", "a_high", "b", "points", "excluded"])


def _torn(approaches: Approaches) -> list[str]:
    """A sentence if a + b of an approach is not 1 although C = 6 N D: its N and D are not of one optimum."""
    cost = approaches.parametric.cost
    if not cost.proportional:
        return []
    sums = {name: each.a.value + each.b.value for name, each in approaches.approaches.items()}
    off = [f"{total:.3f} by approach {name}" for name, total in sums.items() if abs(total - 1) > SUM_OFF]
    apart = f"a + b is not 1 although C = {cost.formula}: {', '.join(off)}; N and D there are not of one optimum"
    return [apart] if off else []


def _sentence(approaches: Approaches, disagreements: tuple[dict[str, Any], ...], torn: list[str]) -> str:
    if approaches.agree is None:
        return "fewer than two approaches gave an exponent: nothing to compare"
    if approaches.agree:
        if torn:
            return "the exponents a do not differ beyond noise, but the approaches do not agree:"
        known = [d for d in approaches.differences.values() if d.ci95]
        widest = max(d.ci95[1] - d.ci95[0] for d in known if d.ci95)
        small = "" if all(d.ci95 and d.ci95[0] <= 0 <= d.ci95[1] for d in known) else f" or is below {NEGLIGIBLE}"
        return f"the approaches agree: every difference of a has zero in its interval{small} (widest {widest:.3f})"
    parts = [f"{row['pair']} by {row['difference'].value:+.3f} ({row['cause']})" for row in disagreements]
    return f"the approaches disagree beyond noise: {'; '.join(parts)}"


def likely_cause(approaches: Approaches, pair: str, difference: Estimate) -> str:
    """The first known cause that holds for these two approaches."""
    causes: dict[str, Callable[[], str | None]] = {
        "1": lambda: _cause_envelope(approaches),
        "2": lambda: _cause_parabola(approaches, difference),
        "3": lambda: _cause_law(approaches),
    }
    reasons = [reason for name in pair.split("-") if (reason := causes[name]())]
    return "; ".join(reasons) or UNKNOWN


def _cause_envelope(approaches: Approaches) -> str | None:
    traced, first = approaches.envelope, approaches.approaches["1"]
    if approaches.decayed is None and traced is not None and traced.in_last_part < 0.5:
        return f"the envelope runs mostly before the last {END_OF_RUN:.0%} of runs, their learning rate not yet decayed"
    if first.points.N_opt.nunique() < ENOUGH_SIZES:
        return f"only {first.points.N_opt.nunique()} sizes on the envelope"
    return None


def _cause_parabola(approaches: Approaches, difference: Estimate) -> str | None:
    bias = approaches.parabola_bias
    if bias is not None and abs(bias.a) > EXPLAINS * abs(difference.value):
        return f"the parabola's bias on this grid, {bias.a:+.3f} in a"
    if len(approaches.approaches["2"].excluded) >= len(approaches.approaches["2"].points):
        return "half of the budgets or more have no bracketed minimum"
    return None


def _cause_law(approaches: Approaches) -> str | None:
    if approaches.parametric.status != "converged":
        return f"the parametric fit is at '{approaches.parametric.status}'"
    quality = fit_quality(
        approaches.parametric.law, approaches.cells, approaches.noise, approaches.parametric.residual_rms
    )
    if quality.ratio is not None and quality.ratio > MISFIT:
        return f"the law misses something: residuals are {quality.ratio:.1f} times what seeds imply"
    return None
