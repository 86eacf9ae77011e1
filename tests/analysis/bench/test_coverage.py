import pytest

from analysis.bench.coverage import coverage
from analysis.bench.coverage_table import Coverage, coverage_table
from scaling_harness.errors import UserError


def test_short_coverage_of_the_default_interval_is_not_far_from_what_it_says():
    rows = coverage(["isoflop"], ["cases", "sandwich"], sweeps=30, resamples=100)
    assert {row.quantity for row in rows} == {"E", "log A", "log B", "alpha", "beta", "a", "log N*"}
    for row in rows:
        assert row.covered >= 0.75, row  # 0.95 falls below this in 30 sweeps less than once in 10,000 times
        assert 0.7 < row.width_over_spread < 1.6, row
    assert "cases" in coverage_table(rows)


def test_coverage_counts_the_exponents_that_reports_print():
    rows = coverage(["isoflop", "hoffmann"], ["approaches"], sweeps=4, resamples=40)
    each = {"1", "2", "3", "1 hull", "2 akima", "2 corrected"}
    assert {row.method for row in rows} == {f"approach {name}" for name in each}
    assert {(row.scenario, row.quantity) for row in rows} == {("isoflop", "a")}
    assert all(0 < row.width < 0.6 for row in rows)


def test_coverage_table_names_what_misses():
    row = Coverage("isoflop", "cases", "E", 2000, 0.85, 0.008, 0.1, 0.7)
    assert row.misses
    assert "misses: cases E in isoflop: 85.0 %" in coverage_table([row])
    assert not Coverage("isoflop", "cases", "E", 2000, 0.95, 0.005, 0.1, 1.0).misses


def test_coverage_refuses_names_it_does_not_know():
    with pytest.raises(UserError, match="not one of hoffmann"):
        coverage(["mars"])
