"""The table of the page: each law as it was published, ours with its interval, and whether they can be compared."""

from collections.abc import Callable

import pandas as pd

from analysis.fitting.estimate import Estimate
from analysis.laws.kaplan_compute import loss_above_converged
from analysis.laws.published import PF_DAY
from analysis.papers.figure import LawRow
from analysis.papers.kaplan2020.compute import measured_exponents
from analysis.papers.kaplan2020.crossing import compute_at_crossing, of_paper
from analysis.papers.kaplan2020.evidence import Evidence, exponent
from analysis.papers.kaplan2020.paired import differences, in_words
from analysis.papers.kaplan2020.paired import of_paper as of_paper_differences
from scaling_harness.errors import HarnessError

EXPONENT = "the exponent; not the constant, which is of other tokens"
ONE_EPOCH = "the exponent in part: one epoch and no early stopping, so that D is also BS"
FIXED = "the exponent in part: its N and D are of the runs here, not of converged models"
Asked = tuple[str, str, tuple[str, ...], Callable[[Evidence], str], str]
"""The law, its published value, the sweeps that it needs, ours, and what can be compared."""


def _above(evidence: Evidence) -> str:
    return f"{float(loss_above_converged(evidence.steps_law_at_least.values)):.3f}"


def _predicted(name: str) -> Callable[[Evidence], str]:
    def said(evidence: Evidence) -> str:
        return f"{measured_exponents(evidence)[name]:.3f}"

    return said


def _alpha_b(evidence: Evidence) -> str:
    """The exponent, and how many losses it leaves out and why."""
    left_out = [each.problem for each in evidence.critical.hyperbolas if each.problem]
    said = f"{evidence.b_crit.derived['alpha_B']:.3f}"
    if not left_out:
        return said
    total, first = len(evidence.critical.hyperbolas), left_out[0].split(" (")[0]
    return f"{said}; {len(left_out)} of {total} losses left out, the first as {first}"


def _slope(envelope: pd.DataFrame, y: str) -> str:
    return f"{exponent(envelope, 'C', y):.3f}"


def _crossing(evidence: Evidence) -> str:
    at = compute_at_crossing(evidence)
    return f"{Estimate(at.value, ci95=at.ci95):.1e} FLOP"


BY_BATCH, BY_SIZE, TIER = ("kaplan/critical-batch",), ("kaplan/sizes",), ("reproduce-standard",)
BOTH, LIMITED = (*BY_SIZE, *BY_BATCH), ("kaplan/data-limited",)
ASKED: tuple[Asked, ...] = (
    ("L(N), alpha_N (1.1)", ".076", TIER, lambda e: f"{e.law_of('alpha_N')[1].params['alpha']:.3f}", FIXED),
    ("L(D), alpha_D (1.2)", ".095", TIER, lambda e: f"{e.law_of('alpha_D')[1].params['alpha']:.3f}", ONE_EPOCH),
    ("L(N, D), alpha_N (1.5)", ".076", LIMITED, lambda e: f"{e.data_law.derived['alpha_N']:.3f}", EXPONENT),
    ("L(N, D), alpha_D (1.5)", ".103", LIMITED, lambda e: f"{e.data_law.params['alpha_D']:.3f}", EXPONENT),
    ("D ~ N that is needed (4.4)", ".74", LIMITED, lambda e: f"{e.data_law.params['ratio']:.3f}", EXPONENT),
    (
        "L(C) at a fixed batch, alpha_C (3.3)",
        ".057",
        BY_SIZE,
        lambda e: f"{e.compute_law.params['alpha']:.3f}",
        EXPONENT,
    ),
    ("L(C_min), alpha_C (1.3)", ".050", BOTH, lambda e: f"{e.compute_law_at_least.params['alpha']:.3f}", EXPONENT),
    ("B_crit(L), alpha_B (1.4)", ".21", BY_BATCH, _alpha_b, EXPONENT),
    ("L(N, S_min), alpha_N (1.6)", ".077", BOTH, lambda e: f"{e.steps_law_at_least.params['alpha']:.3f}", EXPONENT),
    ("L(N, S_min), alpha_S (1.6)", ".76", BOTH, lambda e: f"{e.steps_law_at_least.params['beta']:.3f}", EXPONENT),
    ("loss of efficient training over the converged (B.5)", "1.10", BOTH, _above, "yes: it has no unit"),
    ("N ~ C, fixed batch", ".88", BY_SIZE, lambda e: _slope(e.envelope, "N"), EXPONENT),
    ("N ~ C_min (Table 6)", ".73", BOTH, lambda e: _slope(e.envelope_at_least, "N"), EXPONENT),
    ("N ~ C_min, predicted (B.9)", ".71; .68 by its own constants", BOTH, _predicted("N"), EXPONENT),
    ("B ~ C_min, predicted (Table 6)", ".24; .25 by its own constants", BOTH, _predicted("B"), EXPONENT),
    ("S_min ~ C_min (Table 6)", ".03", BOTH, lambda e: _slope(e.envelope_at_least, "S_min"), EXPONENT),
    ("S_min ~ C_min, predicted (B.10)", ".069 by its own constants", BOTH, _predicted("S"), EXPONENT),
    ("B ~ C_min (Table 6)", ".24", BOTH, lambda e: _slope(e.envelope_at_least, "B_crit"), EXPONENT),
    (
        "measured - predicted (Table 6 - B.7 to B.10), paired",
        in_words(of_paper_differences()),
        BOTH,
        lambda e: in_words(differences(e)),
        "yes: both sides are of the same runs; the paper printed no interval",
    ),
    (
        "L(C) meets L(D(C)) (6.8)",
        f"1e4 PF-days; {float(of_paper().train_flops) / PF_DAY:.1e} by Table 6",
        TIER,
        _crossing,
        "no: another tokenizer, text and loss; far beyond the runs",
    ),
)


def law_rows(evidence_of: Callable[[tuple[str, ...]], Evidence]) -> list[LawRow]:
    """Each law from the sweeps that it needs; of those that they do not give, why."""
    return [_row(asked, evidence_of) for asked in ASKED]


def _row(asked: Asked, evidence_of: Callable[[tuple[str, ...]], Evidence]) -> LawRow:
    law, published, sweeps, ask, comparable = asked
    try:
        return LawRow(law, published, ask(evidence_of(sweeps)), comparable)
    except HarnessError as error:
        return LawRow(law, published, "–", f"not measured: {error}")
