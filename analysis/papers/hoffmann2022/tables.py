"""Tables 2, 3 and A3, and the laws of the page: printed values beside ours."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.figures.style import short
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import LawRow, PaperTable, public_table
from analysis.papers.hoffmann2022.evidence import Evidence
from analysis.papers.hoffmann2022.frontier import PARAMETRIC, TIER, optimum
from scaling_harness.errors import HarnessError

PRINTED_3 = (1.92e19, 1.21e20, 1.23e22, 5.76e23, 3.85e24, 9.90e24, 3.43e25, 1.27e26, 1.30e28)
"""FLOPs of table 3, approach 1, for 400 million to 10 trillion parameters."""
PRINTED_2 = {
    "1": ("0.50 [0.488, 0.502]", "0.50 [0.501, 0.512]"),
    "2": ("0.49 [0.462, 0.534]", "0.51 [0.483, 0.529]"),
    "3": ("0.46 [0.454, 0.455]", "0.54 [0.542, 0.543]"),
}
"""a and b of table 2 with the 10th and 90th percentile."""
OUR_SIZES = (2e4, 5e4, 1e5, 2e5, 5e5, 1e6)


def _table_2(evidence: Evidence) -> pd.DataFrame:
    cells = []
    for name, (a, b) in PRINTED_2.items():
        ours = evidence.approach(name)
        row = {"approach": name, "a, printed (80 %)": a, "a, ours (95 %)": f"{ours.a:.3f}"}
        cells.append(row | {"b, printed (80 %)": b, "b, ours (95 %)": f"{ours.b:.3f}"})
    kaplan = {"approach": "Kaplan et al. 2020", "a, printed (80 %)": "0.73", "b, printed (80 %)": "0.27"}
    return pd.DataFrame([*cells, kaplan]).fillna("")


def _projection(evidence: Evidence, name: str) -> list[dict[str, str]]:
    """Compute and tokens for which our sizes are best, by one approach's line."""
    approach = evidence.approach(name)
    log_at, a = approach.log_coefficients[0], approach.a.value
    rows = []
    for size in OUR_SIZES:
        flops = float(np.exp((np.log(size) - log_at) / a))
        tokens = flops / (FLOPS_PER_PARAM_TOKEN * size)
        row = {"whose": "ours", "approach": name, "N": short(size), "FLOPs": f"{flops:.2e}", "tokens": short(tokens)}
        rows.append(row | {"tokens per parameter": f"{tokens / size:.1f}"})
    return rows


def _printed(table: pd.DataFrame, name: str, flops: tuple[float, ...] | None = None) -> list[dict[str, str]]:
    """Rows of the printed table; FLOPs as printed, or 6ND where the copy here has none."""
    rows = []
    of_approach = table.loc[table["approach"] == int(name)]
    for at, (size, tokens) in enumerate(of_approach[["params", "tokens"]].itertuples(index=False)):
        by_count = FLOPS_PER_PARAM_TOKEN * size * tokens
        row = {
            "whose": "printed",
            "approach": name,
            "N": short(size),
            "FLOPs": f"{flops[at] if flops else by_count:.2e}",
        }
        row |= {"tokens": short(tokens), "tokens per parameter": f"{tokens / size:.1f}"}
        rows.append(row | {"6ND": f"{by_count:.2e}"})
    return rows


def _table_3(evidence: Evidence) -> pd.DataFrame:
    printed = _printed(public_table("hoffmann2022_projections"), "1", PRINTED_3)
    return pd.DataFrame(printed + _projection(evidence, "1")).fillna("")


def _table_a3(evidence: Evidence) -> pd.DataFrame:
    printed = _printed(public_table("hoffmann2022_projections"), "2")
    for size in (4e8, 1e9, 1e10, 6.7e10, 1.75e11, 2.8e11, 5.2e11, 1e12, 1e13):
        flops = _compute_of(size)
        tokens = flops / (FLOPS_PER_PARAM_TOKEN * size)
        row = {"whose": "its constants, unrounded", "approach": "3", "N": short(size), "FLOPs": f"{flops:.2e}"}
        printed.append(row | {"tokens": short(tokens), "tokens per parameter": f"{tokens / size:.1f}"})
    return pd.DataFrame([*printed, *_projection(evidence, "2"), *_projection(evidence, "3")]).fillna("")


def _compute_of(size: float) -> float:
    """Compute at which a size is best by the paper's approach 3."""
    at_one = float(optimum(np.array([1.0]))[0][0])
    return (size / at_one) ** (1 / (PARAMETRIC.a or np.nan))


TABLE_2 = PaperTable(
    "2",
    "Exponents a and b of N_opt ~ C^a and D_opt ~ C^b",
    "all three approaches give about .5 and .5, Kaplan .73 and .27. Approach 1 is on training curves, as published.",
    TIER,
    _table_2,
)
TABLE_3 = PaperTable(
    "3",
    "Compute and tokens for which a size is best, approach 1",
    "some 20 tokens a parameter at every size; ours depends on the size as C^(b - a) does.",
    TIER,
    _table_3,
    public=("hoffmann2022_projections",),
)
TABLE_A3 = PaperTable(
    "A3",
    "The same by approaches 2 and 3",
    "FLOPs of the printed rows are 6ND. Approach 3 is from the unrounded constants: the printed 1.26e24 FLOPs of 175 "
    "billion are out of order, an exponent of 25 is meant.",
    TIER,
    _table_a3,
    public=("hoffmann2022_projections",),
)

COMPARABLE = "the exponent; other text, bytes, and sizes 1e5 times smaller"
CONSTANT = "no: its unit is a loss per byte of another text"
ASKED: tuple[tuple[str, str, Callable[[Evidence], str], str], ...] = (
    *(
        (f"N_opt ~ C^a, approach {name}", printed[0], lambda e, name=name: f"{e.approach(name).a:.3f}", COMPARABLE)
        for name, printed in PRINTED_2.items()
    ),
    ("alpha", f"{PARAMETRIC.params['alpha']}", lambda e: f"{e.approaches.parametric.params['alpha']:.3f}", COMPARABLE),
    ("beta", f"{PARAMETRIC.params['beta']}", lambda e: f"{e.approaches.parametric.params['beta']:.3f}", COMPARABLE),
    (
        "E",
        f"{PUBLISHED['hoffmann2022_rounded'].params['E']}",
        lambda e: f"{e.approaches.parametric.params['E']:.3f}",
        CONSTANT,
    ),
)


def law_rows(evidence_of: Callable[[tuple[str, ...]], Evidence]) -> list[LawRow]:
    """Each law, and why there is none of ours where the runs are missing."""
    found = []
    for law, published, ask, comparable in ASKED:
        try:
            found.append(LawRow(law, published, ask(evidence_of(TIER)), comparable))
        except HarnessError as error:
            found.append(LawRow(law, published, "–", f"not measured: {error}"))
    return found
