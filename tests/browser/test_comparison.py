"""The page of compared sweeps in a browser: light and dark, wide and narrow; and its numbers."""

import json

import numpy as np
import pytest

from analysis.comparing.source_of_runs import source_of_runs
from analysis.forecasting.source import open_source
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.report.comparison import write_comparison

OPEN = "for (const each of document.querySelectorAll('details')) each.open = true"
TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two tables and a paper, compared once."""
    folder, sources = tmp_path_factory.mktemp("compared"), []
    for seed, (name, A) in enumerate((("plain", 45.0), ("better", 30.0))):
        runs = simulate.isoflop(TRUTH | {"A": A}, np.geomspace(1e11, 1e13, 4), n_sizes=5, seeds=2, seed=seed)
        runs.to_csv(folder / f"{name}.csv", index=False)
        sources.append(source_of_runs(folder / f"{name}.csv", name, chinchilla))
    return write_comparison([*sources, open_source("published:besiroglu2024")], folder / "page.html")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1400, 400])
def test_fits_its_window_and_can_be_read(browser, page, width, dark):
    browser.open(page, width, dark=dark)
    browser.js(OPEN)
    assert browser.too_wide() == []
    assert browser.low_contrast() == []
    assert browser.errors() == []
    assert browser.js("return performance.getEntriesByType('resource').length") == 0


def test_exponents_shown_are_those_of_the_document(browser, page):
    browser.open(page)
    browser.js(OPEN)
    shown = browser.js("return document.body.innerText")
    for law in json.loads(page.with_suffix(".json").read_text())["laws"][:2]:
        a = law["exponents"]["a"]
        assert f"{a['value']:.3f} [{a['ci95'][0]:.3f}, {a['ci95'][1]:.3f}]" in shown
