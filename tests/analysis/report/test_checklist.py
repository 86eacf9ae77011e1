import pandas as pd

from analysis.figures.style import Labels
from analysis.report.checklist import FITTING, checklist
from analysis.report.provenance import records_of
from analysis.runs.selection import Runs


def test_every_item_is_answered_from_the_runs(simulated_analysis):
    runs = simulated_analysis.runs
    table = checklist(simulated_analysis, runs, records_of(runs), Labels("with_head", "byte"))
    said = {item: text for _, item, text in table.rows}
    assert said["parameters fitted"] == "E, A, B, alpha, beta"
    assert said["models"].startswith("135 runs of ")
    assert "none seen twice" in said["data of a run"]
    assert said["shapes"] == "layers × width: 2×64"
    assert said["points fitted"] == "135 runs, as means over the seeds of 45 (N, D) at 5 budgets"
    assert f"{simulated_analysis.third.quality.residual_rms:.2%} rms" in said["goodness of fit"]
    assert f"{simulated_analysis.holdout.mean_abs_rel_error:.2%} off" in said["extrapolation"]
    assert [part for part, *_ in table.rows] == sorted(
        (part for part, *_ in table.rows), key=["hypothesis", "training", "data", "fit", "openness"].index
    )


def test_without_a_law_or_runs_it_says_so():
    table = checklist(None, Runs(pd.DataFrame()), [], Labels())
    said = {item: text for _, item, text in table.rows}
    assert {said[item] for item in FITTING} == {"no fit yet"}
    assert said["models"] == "no finished run yet"
    few = checklist(None, Runs(pd.DataFrame({"N": [1.0], "D": [2.0]})), [], Labels())
    assert {item: text for _, item, text in few.rows}["shapes"] == "not in the table"
