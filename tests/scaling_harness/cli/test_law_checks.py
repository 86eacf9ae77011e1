"""`fit` with runs left out, thresholds, doublings and learning curves, in text and JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.laws.loglinear import loglinear
from tests.analysis.simulated_table import COLUMNS, write_table


@pytest.fixture(scope="module")
def loose_table(tmp_path_factory):
    """N, C and D that vary separately; C so little that there are no budgets to forecast, which takes long."""
    logs = np.random.default_rng(0).normal(12, (1, 0.1, 1), (30, 3))
    frame = pd.DataFrame(np.exp(logs), columns=["N", "C", "D"])
    loss = loglinear.predict({"A": 30.0, "alpha": 0.1, "beta": 0.05, "gamma": 0.2}, **frame)
    path = tmp_path_factory.mktemp("loose") / "t.csv"
    frame.assign(L=loss, batch=1e4).to_csv(path, index=False)
    return path


def test_a_log_linear_fit_comes_with_runs_left_out_and_doublings(attempt, loose_table):
    columns = "N=N,D=D,C=C,loss=L,batch_tokens=batch"
    command = ("fit", loose_table, "--columns", columns, "--law", "loglinear", "--resamples", 20)
    code, out, _ = attempt(*command, "--critical-batch", 1e4, "--json")
    assert code == 0
    document = json.loads(out)
    assert document["cross_validation"]["leave_one_out"]["parts"] == 30
    assert document["cross_validation"]["folds"]["parts"] == 10
    by_n = document["doubling"][0]
    assert by_n["doubled"] == "N"
    assert by_n["change"]["value"] == pytest.approx(2**-0.1 - 1, rel=1e-4)
    assert document["doubling"][-1]["change"]["value"] == pytest.approx(0.5)
    code, out, _ = attempt(*command, "--folds", 3)
    assert code == 0
    assert "3 parts left out in turn" in out
    assert "C, as k N D" in out
    assert "batch " not in out[out.index("doubling buys") :]


def test_compute_that_follows_is_refused_with_what_to_hold(attempt, tmp_path):
    table = write_table(tmp_path / "t.csv", budgets=2)
    code, _, err = attempt("fit", table, *COLUMNS, "--law", "loglinear")
    assert code == 1
    assert "only this is identified: alpha + beta = " in err
    assert err.strip().endswith("--fix beta=0")
    code, out, _ = attempt("fit", table, *COLUMNS, "--law", "loglinear", "--fix", "beta=0", "--resamples", 20)
    assert code == 0
    assert "held" in out


def test_any_law_in_n_and_d_has_thresholds_and_others_say_why_not(attempt, tmp_path):
    command = (
        "fit",
        write_table(tmp_path / "t.csv", budgets=2),
        *COLUMNS,
        "--law",
        "chinchilla,kaplan_lc",
        "--resamples",
        0,
    )
    code, out, _ = attempt(*command, "--thresholds", "--doubling")
    assert code == 0
    assert "chinchilla  0.9" in out
    assert "thresholds are of N and D, which are not the inputs of L(C)" in out
    assert "C, split at best" in out
    code, out, _ = attempt(*command, "--thresholds", "--json")
    assert "reason" in json.loads(out)[1]["thresholds"]


def test_a_learning_curve_is_named(attempt, tmp_path):
    D = np.geomspace(1e3, 1e6, 20)
    loss = (0.3 + 300 / D) * np.exp(0.01 * np.random.default_rng(0).standard_normal(20))
    pd.DataFrame({"D": D, "L": loss}).to_csv(tmp_path / "t.csv", index=False)
    command = ("fit", "t.csv", "--columns", "D=D,loss=L", "--law", "amari", "--resamples", 50)
    code, out, _ = attempt(*command)
    assert code == 0
    assert "nearest to type 4, E + c/D" in out
    document = json.loads(attempt(*command, "--json")[1])
    assert document["learning_curve"]["nearest"]["number"] == 4


def test_options_without_what_they_need_are_refused(attempt, loose_table, tmp_path):
    named = ("--columns", "N=N,D=D,C=C,loss=L")
    code, _, err = attempt("fit", loose_table, *named, "--critical-batch", 1e4)
    assert code == 2
    assert "give --doubling too" in err
    code, _, err = attempt("fit", loose_table, *named, "--law", "loglinear", "--critical-batch", 1e4, "--resamples", 0)
    assert code == 2
    assert "needs the batch of the runs: name its column" in err
    code, _, err = attempt("fit", loose_table, *named, "--law", "loglinear", "--folds", 1, "--resamples", 0)
    assert code == 2
    assert "--folds is 1: give 2 or more" in err
