"""The numbers that the READMEs print are those of the archived runs, fitted again here."""

import functools
import re
from pathlib import Path

import pytest

from analysis.fitting.estimate import Estimate
from analysis.fitting.goodness_of_fit import fit_quality
from analysis.frontier.approaches import Approaches, three_approaches
from analysis.frontier.frontier_line import Approach
from analysis.laws.chinchilla import chinchilla, skaling, tied
from analysis.runs.budgets import budget_groups
from analysis.runs.curves import curves_of
from analysis.runs.load import load_runs
from analysis.runs.selection import Count, Selection
from analysis.validation.coverage import cover

ROOT = Path(__file__).parents[3]
PAGE, LOG = ROOT / "README.md", ROOT / "sweeps" / "README.md"


def cells(page: Path, first: str) -> list[str]:
    """Cells of the first row of a page's tables that begins with a word."""
    row = next(line for line in page.read_text().splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def is_printed_as(estimate: Estimate, cell: str) -> bool:
    """Whether a cell `value [low, high]` is the estimate, rounded as the cell is."""
    printed = re.fullmatch(r"(\.\d+) \[(\.\d+), (\.\d+)\]", cell)
    assert printed, cell
    assert estimate.ci95 is not None
    digits = len(printed[1]) - 1
    return [f"{x:.{digits}f}".lstrip("0") for x in (estimate.value, *estimate.ci95)] == list(printed.groups())


def named(approaches: Approaches, name: str) -> Approach:
    """One of the three, or the law beside them."""
    return approaches.approaches.get(name) or approaches.variants[name]


@functools.cache
def approaches_of(archive: str, count: Count = "with_head") -> Approaches:
    """The approaches on an archive, which the tests of one archive share."""
    runs = load_runs(f"archive:{archive}", Selection(count))
    return three_approaches(runs, beside=(skaling, tied), curves=curves_of(runs))


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_the_table_of_the_readme(tier):
    approaches = approaches_of(f"reproduce-{tier}")
    budgets, *exponents, forecast, _ = cells(PAGE, tier)
    bands = [approaches.cells.iloc[rows] for rows in budget_groups(approaches.cells.C.to_numpy())]
    assert int(budgets.split(",")[0]) == len(bands)
    for name, cell in zip("123", exponents, strict=True):
        assert is_printed_as(named(approaches, name).a, cell), (name, cell)
    covered = cover(bands, chinchilla, 2)
    share = covered.mixture_windows
    assert forecast == f"{100 * covered.mixture_error:.1f} % off, {share.held} of {share.windows} inside"


@pytest.mark.parametrize("ladder", ["quick", "standard", "late-start", "early-start"])
def test_the_tables_of_exponents_of_the_log(ladder):
    approaches = approaches_of(ladder if "-" in ladder else f"reproduce-{ladder}")
    for name, cell in zip((*"123", "skaling", "tied"), cells(LOG, f"{ladder}, a"), strict=True):
        assert is_printed_as(named(approaches, name).a, cell), (name, cell)


@pytest.mark.parametrize(("count", "words"), [("non_embedding", "non-embedding"), ("total", "total")])
def test_other_counts_in_the_table_of_the_log(count, words):
    approaches = approaches_of("reproduce-standard", count)
    for name, cell in zip((*"123", "skaling", "tied"), cells(LOG, f"standard, a by {words} N"), strict=True):
        assert is_printed_as(named(approaches, name).a, cell), (name, cell)


@pytest.mark.parametrize(
    "ladder", ["quick", "standard", "late-start", "early-start", "two-layers-quick", "two-layers-standard"]
)
def test_the_residuals_over_seed_noise_of_the_log(ladder):
    """One table holds the laws, under even noise and under noise that falls with D and with C."""
    approaches = approaches_of(ladder if "-" in ladder else f"reproduce-{ladder}")
    for law, fitted in (("approach 3", approaches.parametric), ("Skaling", approaches.beside["skaling"])):
        quality = fit_quality(fitted.law, approaches.cells, approaches.noise, fitted.residual_rms)
        p_values = quality.lack_of_fit_p, *quality.lack_of_fit_p_falling.values()
        printed = cells(LOG, f"{ladder}, {law}")
        assert printed[0] == f"{quality.ratio:.2f}"
        assert [float(cell) for cell in printed[1:]] == [float(f"{p:.2g}") for p in p_values]
