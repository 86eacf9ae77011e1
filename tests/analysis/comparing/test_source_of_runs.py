import pytest

from analysis.comparing.source_of_runs import source_of_runs
from analysis.frontier.approaches import three_approaches
from analysis.laws.chinchilla import chinchilla
from analysis.runs.load import load_runs


def test_runs_are_fitted_as_approach_3_of_a_report(isoflop, tmp_path):
    table = tmp_path / "runs.csv"
    isoflop.to_csv(table, index=False)
    source = source_of_runs(table, "mine", chinchilla)
    third = three_approaches(load_runs(table)).approaches["3"]
    assert source.name == "mine"
    assert source.exponents["a"].value == pytest.approx(third.a.value)
    assert source.exponents["a"].ci95 == pytest.approx(third.a.ci95, abs=2e-3)
    assert source.settings["source"]["path"] == str(table)


def test_a_sweep_counts_n_as_its_report_does(simulated_sweep):
    source = source_of_runs(simulated_sweep, "sweep", chinchilla)
    assert source.conventions["count"] == "with_head"
    assert source.unit == "byte"
