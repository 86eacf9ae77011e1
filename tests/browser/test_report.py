"""The page of a report in a browser: light and dark, wide and narrow, on paper; and its numbers."""

import json
import re

import numpy as np
import pytest

from analysis.laws import simulate
from analysis.report import figures, summary, write

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
DRAWN = ("isoflop", "frontier", "residuals")
OPEN = "for (const each of document.querySelectorAll('details')) each.open = true"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of simulated runs, with some of the figures; it is made once."""
    folder = tmp_path_factory.mktemp("report")
    runs = simulate.isoflop(TRUTH, np.geomspace(1e11, 1e13, 4), n_sizes=5, seeds=2)
    runs.to_csv(folder / "runs.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "CATALOGUE", [entry for entry in figures.CATALOGUE if entry.name in DRAWN])
        patch.setattr(summary, "RANKED", summary.RANKED[:1])
        patch.setattr(write, "save_figure", lambda *_: ())
        return write.write_report(folder / "runs.csv", folder / "report", resamples=20)


@pytest.fixture(scope="module")
def unfitted(tmp_path_factory):
    """A report of runs that are too few for a law."""
    folder = tmp_path_factory.mktemp("unfitted")
    simulate.isoflop(TRUTH, [1e11], n_sizes=3, seeds=1).to_csv(folder / "runs.csv", index=False)
    return write.write_report(folder / "runs.csv", folder / "report")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("page", ["report", "unfitted"])
def test_fits_its_window_and_can_be_read(browser, request, page, width, dark):
    written = request.getfixturevalue(page)
    browser.open(written.html, width, dark=dark)
    browser.js(OPEN)
    assert browser.too_wide() == []
    assert browser.low_contrast() == []
    assert browser.errors() == []
    assert browser.js("return performance.getEntriesByType('resource').length") == 0
    assert written.html.stat().st_size < 3e6


def test_the_first_screen_has_the_answer_and_both_figures(browser, report):
    browser.open(report.html, 1400, 900)
    tops = {name: browser.js(f"return document.getElementById('{name}').getBoundingClientRect().top") for name in DRAWN}
    assert tops["isoflop"] == tops["frontier"] < 900 < tops["residuals"]
    assert browser.js("return document.getElementById('answer').getBoundingClientRect().bottom") < 900
    assert "N* = " in browser.js("return document.querySelector('.law').innerText")


def test_numbers_are_those_of_the_summary(browser, report):
    browser.open(report.html)
    document = json.loads(report.summary_json.read_text())
    shown = browser.js("return [...document.querySelectorAll('data')].map(e => [e.dataset.path, e.value, e.innerText])")
    assert {path for path, *_ in shown} >= {"answer.a", "answer.G", "answer.ten_times.loss_nats"}
    for path, exact, text in shown:
        found = document
        for name in path.split("."):
            found = found[name]
        numbers = [found["value"], *found["ci95"]] if isinstance(found, dict) else [found]
        assert float(exact) == numbers[0]
        assert [spoken(word) for word in re.split(r" ?\[|, |\]", text) if word] == pytest.approx(
            numbers[: text.count("[") * 2 + 1], rel=6e-3
        )


def spoken(text):
    """The number that a reader reads."""
    digits = text.replace("×10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(digits.replace(",", ""))


def test_paper_has_every_row_in_black_on_white(browser, report):
    browser.open(report.html, 720, dark=True, media="print")
    assert browser.too_wide() == []
    rows = "return [...document.querySelectorAll('tr')].map(e => e.getBoundingClientRect().height)"
    assert len(browser.js(rows)) > 40
    assert min(browser.js(rows)) > 0
    boxes = "return [...document.querySelectorAll('.table')].filter(e => e.scrollHeight > e.clientHeight + 1).length"
    assert browser.js(boxes) == 0
    assert browser.js("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_link_opens_the_folded_table_it_points_to(browser, report):
    browser.open(report.html)
    assert not browser.js("return document.querySelector('#runs').checkVisibility()")
    browser.js("document.querySelector('nav a[href=\"#runs\"]').click()")
    assert browser.js("return document.querySelector('#runs').closest('details').open")


def test_what_stops_a_law_stands_above_everything(browser, unfitted):
    browser.open(unfitted.html)
    assert browser.js("return document.querySelector('.banner').innerText").startswith("No law was fitted: ")
    assert browser.js("return document.querySelector('#answer')") is None
