"""The refit of Hoffmann's points has the certified answers, and the solver's failure is the published one."""

import numpy as np
import pytest

from analysis.laws.published import PUBLISHED
from analysis.papers import besiroglu2024 as paper
from analysis.papers.besiroglu2024 import besiroglu2024, objective_of, points, refit, stopped, without
from analysis.papers.draw import drawn
from analysis.papers.page import write_page
from analysis.runs.public_tables import ENVIRONMENT

HOFFMANN = PUBLISHED["hoffmann2022"].params


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr(paper, "RESAMPLES", 200)
    monkeypatch.setattr(paper, "MOST_DROPPED", 5)
    monkeypatch.setattr(paper, "FACTORS", np.array([1e-3, 1e7]))


def test_the_minimum_is_the_certified_one(published_dir):
    assert (len(points()), len(points(0))) == (240, 245)
    expected = {"E": 1.8172181, "A": 477.82586, "B": 2143.41738, "alpha": 0.34731050, "beta": 0.36717243}
    assert refit().values == pytest.approx(expected, rel=1e-5)
    assert objective_of(refit().values) == pytest.approx(0.0010182740178, rel=1e-8)
    assert without(0)["beta"].value == pytest.approx(0.45305, abs=1e-4)


def test_standard_errors_are_the_published_ones(published_dir):
    for name, published in PUBLISHED["besiroglu2024"].stderr.items():
        if name in refit().params:
            assert refit().params[name].stderr == pytest.approx(published, rel=0.3)


def test_the_mean_stops_at_the_published_answer(published_dir):
    by_mean, n_steps = stopped(1 / 240, HOFFMANN)
    assert n_steps == 2
    assert (by_mean["A"], by_mean["B"]) == pytest.approx((406.4, 410.7), abs=0.05)
    assert (by_mean["alpha"], by_mean["beta"]) == pytest.approx((0.3390, 0.2847), abs=1e-4)
    by_large_factor, _ = stopped(1e7, HOFFMANN)
    assert by_large_factor == pytest.approx(refit().values, rel=1e-3)


def test_hoffmanns_constants_are_rejected(published_dir):
    assert paper.distance(refit(), "hoffmann2022") < 1e-15
    assert paper.distance(refit(), "besiroglu2024") > 0.9


def test_figures_and_tables(published_dir):
    said = {}
    for figure in besiroglu2024.figures:
        table = figure.table(None)
        assert len([ax for ax in drawn(figure, table).axes if ax.get_xlabel()]) == table["panel"].nunique()
        said[figure.name] = figure.found(table)
    assert "stops after 2 iterations on the mean" in said["4"]
    assert "Hoffmann, rounded 92.6, Hoffmann, TeX 59.1, Besiroglu, printed 18.4" in said["3"]
    rounding = besiroglu2024.tables[1].table(None).set_index("constants")
    assert rounding.loc["Hoffmann, rounded", "a"] == "0.4516"
    assert rounding.loc["Hoffmann, TeX", "a"] == "0.4565"
    ours = besiroglu2024.tables[0].table(None).set_index("parameter")
    assert ours.loc["E", "ours, 245 points"] == "1.8913"


def test_without_the_table_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    paper.points.cache_clear()
    paper.refit.cache_clear()
    page = write_page(besiroglu2024, besiroglu2024.figures_named(["1"]), {}.get, tmp_path).read_text()
    assert "not fitted: the public table besiroglu2024 is not here" in page
