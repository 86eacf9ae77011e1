"""The numbers that the READMEs print are those of the archived runs, fitted again here."""

import functools
import re
from pathlib import Path

import pytest

from analysis.fitting.estimate import Estimate
from analysis.frontier.approaches import Approaches, three_approaches
from analysis.laws.chinchilla import skaling
from analysis.runs.budgets import budget_groups
from analysis.runs.curves import curves_of
from analysis.runs.load import load_runs
from analysis.validation.holdout import hold_out_budgets

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


@functools.cache
def approaches_of(tier: str) -> Approaches:
    """The approaches on a tier's archive, which both tests of one tier share."""
    runs = load_runs(f"archive:reproduce-{tier}")
    return three_approaches(runs, law=skaling, curves=curves_of(runs))


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_the_table_of_the_readme(tier):
    approaches = approaches_of(tier)
    budgets, *exponents, forecast, _ = cells(PAGE, tier)
    assert int(budgets.split(",")[0]) == len(budget_groups(approaches.cells.C.to_numpy()))
    for approach, cell in zip("123", exponents, strict=True):
        assert is_printed_as(approaches.approaches[approach].a, cell), (approach, cell)
    error = hold_out_budgets(approaches.cells, skaling).mean_abs_rel_error
    assert forecast == f"{100 * error:.1f} % off"


def test_the_first_table_of_the_log():
    approaches = approaches_of("standard")
    for exponent in ("a", "b"):
        for approach, cell in zip(("1", "2", "3", "3 chinchilla"), cells(LOG, exponent), strict=True):
            each = approaches.approaches.get(approach) or approaches.variants[approach]
            assert is_printed_as(getattr(each, exponent), cell), (approach, cell)
