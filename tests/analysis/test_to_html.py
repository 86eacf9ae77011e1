"""What a notebook shows of a result."""

import pytest

import analysis
from analysis.fitting.estimate import Estimate
from analysis.runs.selection import Runs
from analysis.to_html import MOST_SENTENCES, estimate_rows, html_table, page, sentences


@pytest.fixture(scope="module")
def results():
    """Runs, with one left out; and a fit of them, its forecast, and its comparison with a published law."""
    from analysis.laws import simulate

    frame = simulate.isoflop({"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}, [1e11, 1e12, 3e12])
    runs = Runs(frame, dropped=({"run": "<7>", "reason": "diverged"},), count="with_head")
    law = analysis.fit("chinchilla", runs, resample="residuals", resamples=20)
    asked = analysis.forecast(law, train_flops=1e13)
    return runs, law, asked, analysis.compare([law, "published:besiroglu2024"])


def test_the_repr_of_a_result_is_one_line(results):
    for result in results:
        assert repr(result).startswith(f"<{type(result).__name__}")
        assert len(repr(result)) < 300
        assert "\n" not in repr(result)
    runs, law, asked, comparison = map(repr, results)
    assert "1 dropped" in runs
    assert "alpha=0.3" in law
    assert "C = 1e+13 FLOP by fit: train_flops 1e+13, n_params" in asked
    assert "fit 1, published:besiroglu2024" in comparison


def test_its_html_has_values_intervals_and_warnings(results):
    runs, law, asked, comparison = (result._repr_html_() for result in results)
    assert "&lt;7&gt;: diverged" in runs
    for name in ("alpha", "97.5 %", results[1].warnings[0][:20]):
        assert name in law
    for name in ("tokens_per_param", "times the best N", "distance from the runs"):
        assert name in asked
    assert "a: fit 1 - published:besiroglu2024" in comparison


def test_numbers_have_five_digits_and_what_is_missing_is_empty():
    rows = estimate_rows({"x": Estimate(1 / 3), "y": Estimate(2.0, 0.1, (1.8, 2.2))})
    cells = html_table(rows)
    assert "<td>0.33333</td>" in cells
    assert cells.count("<td></td>") == 3
    assert html_table([]) == ""


def test_text_is_escaped_and_long_lists_are_cut():
    assert page("a < b", "<i>c</i>") == "<p><b>a &lt; b</b></p><i>c</i>"
    assert sentences([]) == ""
    text = sentences((f"<{i}>" for i in range(MOST_SENTENCES + 2)), "left out: ")
    assert text.count("left out: &lt;") == MOST_SENTENCES
    assert "and 2 more" in text
