"""Answers that are right token by token, with a known law of one token."""

import numpy as np
import pandas as pd
import pytest

from analysis.papers.draw import drawn
from analysis.papers.emergence import emergence
from analysis.papers.emergence.binomial import LOGISTIC, POWER, fit_curve
from analysis.papers.emergence.evidence import Evidence
from analysis.papers.emergence.figures import law_rows, thresholds
from analysis.papers.figure import LackingRunsError
from analysis.runs.selection import Runs
from scaling_harness.errors import HarnessError, UserError

A, ALPHA = 30.0, 0.7
SIZES = np.geomspace(300, 6e4, 9)
LENGTHS = (1, 2, 4, 8, 16)


def evidence_of(share, lengths=LENGTHS):
    rng = np.random.default_rng(0)
    runs = [
        {
            "N": n,
            "L": 2 + A * n**-ALPHA,
            "entropy_nats": 2.0,
            "answers": [[k, _right(rng, share(n, k), k), 20000 // k] for k in lengths],
        }
        for n in SIZES
        for _ in range(2)
    ]
    return Evidence(Runs(pd.DataFrame(runs)))


def _right(rng, p, k):
    return int(rng.binomial(20000 // k, p))


@pytest.fixture(scope="module")
def evidence():
    return evidence_of(lambda n, k: np.exp(-k * A * n**-ALPHA))


def test_a_logistic_has_the_explainers_numbers():
    n = 10 ** np.linspace(8, 12, 9)
    curve = fit_curve(LOGISTIC, n, 1e7 / (1 + np.exp(-4 * (np.log10(n) - 10))), np.full(9, 1e7))
    assert curve.beta[1] == pytest.approx(4)
    assert curve.threshold().value == pytest.approx(10)
    np.testing.assert_allclose(
        curve.share([1e8, 1e9, 3e9, 1e10, 1e11]), [0.00034, 0.01799, 0.1099, 0.5, 0.982], rtol=0.02
    )


@pytest.mark.parametrize("link", [LOGISTIC, POWER], ids=["logistic", "p^k"])
def test_the_interval_of_t_is_that_of_draws(link):
    rng, eta, answers = np.random.default_rng(1), -3.0, 300
    sign = 1 if link is LOGISTIC else -1
    share = link.share(sign * (eta + 1.0 * np.arange(7)))
    fits = [fit_curve(link, 10 ** np.arange(7), rng.binomial(answers, share), np.full(7, answers)) for _ in range(100)]
    spread = np.std([fit.threshold().value for fit in fits])
    assert np.median([fit.threshold().stderr for fit in fits]) == pytest.approx(spread, rel=0.25)


def test_p_to_the_k_predicts_where_answers_emerge(evidence):
    assert (evidence.tokens.share(1e4) - np.exp(-A * 1e4**-ALPHA)) == pytest.approx(0, abs=0.01)
    expected = np.log10(A * 16 / np.log(2)) / ALPHA
    assert evidence.predicted(16).value == pytest.approx(expected, abs=0.03)
    found = thresholds(evidence)
    assert found["k"].tolist() == list(LENGTHS)
    assert np.abs(found["apart"]).max() < 0.03
    assert found["holds"].sum() >= 4
    assert found["logistic"].is_monotonic_increasing
    longest = evidence.lengths[-1]
    assert longest.likelihood_of_tokens > longest.alone.log_likelihood


def test_answers_that_hang_together_are_better_by_their_logistic():
    together = evidence_of(lambda n, k: np.exp(-A * n**-ALPHA))
    longest = together.lengths[-1]
    assert longest.alone.log_likelihood > longest.likelihood_of_tokens + 100
    table = emergence.tables[0].table(together)
    assert table["better"].iloc[-1].startswith("logistic")
    assert not thresholds(together)["holds"].iloc[-1]


def test_the_figures_say_what_is_seen(evidence):
    for figure in emergence.figures:
        table = figure.table(evidence)
        drawn(figure, table)
        assert "k = " in figure.found(table)
    row = law_rows(lambda _: evidence)[0]
    assert "of 4 lengths" in row.ours


def test_too_few_sizes_no_share_and_no_size_between_are_sentences(evidence):
    with pytest.raises(UserError, match="needs 3 sizes: there are 2"):
        fit_curve(LOGISTIC, [1e3, 1e4], [1, 9], [10, 10])
    with pytest.raises(UserError, match="12 right of 10 answers at N = 10000 is no share between 0 and 1"):
        fit_curve(LOGISTIC, [1e3, 1e4, 1e5], [1, 12, 9], [10, 10, 10])
    with pytest.raises(HarnessError, match="fewer than two sizes give some right and some wrong"):
        fit_curve(LOGISTIC, [1e3, 1e4, 1e5], [0, 5, 10], [10, 10, 10])
    longer = evidence_of(lambda n, k: np.exp(-k * A * n**-ALPHA), lengths=(2, 4))
    with pytest.raises(LackingRunsError, match="no answers of one token were counted"):
        emergence.figures[0].table(longer)
    assert law_rows(lambda _: longer)[0].ours.startswith("not measured: no answers of one token")
