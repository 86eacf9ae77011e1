import dataclasses

import pytest

from analysis.bench.coverage import coverage
from analysis.bench.coverage_table import coverage_table
from analysis.bench.forecast_coverage import pooled


@pytest.fixture(scope="module")
def rows():
    return coverage(["drifting_k"], ["forecasts"], 80, seed=5)


def test_the_mixture_holds_where_the_law_is_another_and_single_laws_do_not(rows):
    by = {(row.method, row.quantity): row for row in pooled(rows)}
    mixture = by["mixture", "loss at 4 C"]
    assert mixture.sweeps == 80
    assert mixture.covered >= 0.7  # 0.85 falls below this in 80 sweeps less than once in 2,000 times
    for law in ("chinchilla", "tied", "skaling"):
        assert by[f"{law} alone", "loss at 4 C"].covered < 0.7
        assert by[f"{law} alone", "loss at 4 C"].score > mixture.score
    assert mixture.width < 0.09
    assert mixture.width < by["mixture", "loss at 16 C"].width < 0.18


def test_forecasts_have_their_own_aim_and_stand_in_the_table(rows):
    miss = dataclasses.replace(rows[3], covered=0.80, stderr=0.01)
    assert miss.misses
    assert not dataclasses.replace(miss, covered=0.91).misses
    text = coverage_table([miss])
    assert "loss at 4 C" in text
    assert "aim 90 to 98 %" in text
    assert "misses: mixture loss at 4 C in drifting_k: 80.0 %" in text


def test_coverage_takes_other_forms_by_name_for_forecasts_alone(rows):
    assert {row.scenario for row in rows} == {"drifting_k"}
    assert coverage(["curvature"], ["cases"], sweeps=3) == []
