"""Exponents predicted from kept statistics, beside those of runs on the same tokens."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.fitting.estimate import Estimate
from analysis.papers.cagnetta2026 import cagnetta2026
from analysis.papers.cagnetta2026.evidence import Evidence, kept_statistics
from analysis.papers.cagnetta2026.figures import apart
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.page import write_page
from scaling_harness.errors import UserError
from scaling_harness.record.archive import locate
from scaling_harness.record.record import BestCheckpoint, EvalLoss
from tests.analysis.conftest import make_record, write_sweep

GRAMMAR = next(each for each in kept_statistics() if each.label == "grammar")
ENTROPY = GRAMMAR.entropies[-1].low


def run(D, label="grammar", data_id="x"):
    loss = float(ENTROPY + 4 * D**-0.25)
    made = make_record(f"run{D}", 30_000, 10**7, loss)
    evaluated = {"valid": EvalLoss(loss, 0.001, 4096, entropy_nats=ENTROPY)}
    return replace(
        made,
        n_unique_tokens=D,
        losses=evaluated,
        best=BestCheckpoint(1, 512, evaluated),
        data={"label": label, "data_id": data_id, "vocab_size": 8},
    )


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("cagnetta"), [run(4**k) for k in range(4, 10)])


def figure(name):
    return cagnetta2026.figures_named([name])[0]


def test_the_prediction_stands_beside_the_exponent_of_the_runs(sweep):
    evidence = Evidence.of([sweep])
    assert evidence.measured.exponent.value == pytest.approx(0.25, abs=1e-3)
    assert evidence.measured.words.endswith("E known")
    low, high = evidence.prediction.alpha_d.ci95
    assert low < 0.25 < high  # the rules' own exponents make about as much
    table = figure("grammar").table(evidence)
    assert "before any training; fitted, 0.250" in figure("grammar").found(table)
    assert drawn(figure("grammar"), table).axes


def test_the_archive_of_one_pass_is_of_the_tokens_counted():
    evidence = Evidence.of([locate("archive:reproduce-standard")])
    assert evidence.statistics.label == "sotu"
    assert evidence.statistics.n_tokens > 10**6


def test_tokens_without_statistics_are_told(tmp_path):
    with pytest.raises(LackingRunsError, match="no statistics are kept of the tokens other abcdef12"):
        Evidence.of([write_sweep(tmp_path, [run(99, "other", "abcdef1234")])])
    (tmp_path / "runs.csv").write_text("N\n")
    with pytest.raises(UserError, match="is a table"):
        Evidence.of([tmp_path / "runs.csv"])
    assert Evidence.of([]) is None


@pytest.mark.parametrize("name", ["entropies", "correlations"])
def test_statistics_are_drawn_without_runs(name):
    table = figure(name).table(None)
    assert drawn(figure(name), table).axes
    assert "grammar: " in figure(name).found(table)


def test_intervals_that_meet_and_that_do_not():
    one, two = Estimate(0.2, 0.01, (0.18, 0.22)), Estimate(0.3, 0.01, (0.28, 0.32))
    assert apart(one, two) == "intervals do not meet; fitted is 1.50 of predicted"
    assert apart(one, one).startswith("intervals meet")
    assert apart(one, Estimate(0.3)) == "no interval"


def test_the_page_has_predictions_before_any_sweep(tmp_path):
    html = write_page(cagnetta2026, cagnetta2026.figures_named(["grammar"]), {}.get, tmp_path).read_text()
    assert "sweep run hestness/grammar" in html
    assert "WikiText" in html
    assert json.loads((tmp_path / "page.json").read_text())["tables"][0]["reason"] is None
    assert np.isfinite(GRAMMAR.uniform_nats)
