"""Pearce and Song's numbers again, and a ladder of known truth measured by every count."""

import numpy as np
import pytest

from analysis.laws.vocabulary import fit_vocabulary
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.page import write_page
from analysis.papers.pearce2024 import pearce2024
from analysis.papers.pearce2024.closed_form import hoffmann_sizes
from analysis.papers.pearce2024.ladder import exponents_table
from analysis.papers.pearce2024.measured import Ladder, measured_exponents
from analysis.papers.pearce2024.synthetic import predicted_exponents, synthetic_frontier
from scaling_harness.errors import UserError
from tests.analysis.papers.pearce_truth import ladder


@pytest.fixture(scope="module")
def noisy():
    return ladder(0.004)


@pytest.fixture(scope="module")
def exact():
    return ladder(1e-7)


def test_the_synthetic_frontier_has_the_published_exponents():
    found = predicted_exponents()
    assert found["besiroglu2024", "non_embedding"] == pytest.approx(0.781, abs=0.001)
    assert found["hoffmann2022", "non_embedding"] == pytest.approx(0.739, abs=0.001)
    assert found["besiroglu2024", "total"] == pytest.approx(0.515, abs=0.003)
    assert found["hoffmann2022", "total"] == pytest.approx(0.458, abs=0.001)


@pytest.mark.parametrize(
    ("truth", "count", "loss", "reducible"),
    [
        ("besiroglu2024", "non_embedding", -0.069, -0.133),
        ("besiroglu2024", "total", -0.0966, -0.178),
        ("hoffmann2022", "non_embedding", -0.0659, None),
        ("hoffmann2022", "total", -0.0870, None),
    ],
)
def test_the_synthetic_loss_falls_as_published(truth, count, loss, reducible):
    found = synthetic_frontier(truth, count)
    assert found.loss == pytest.approx(loss, abs=1e-4)
    assert reducible is None or found.reducible == pytest.approx(reducible, abs=5e-4)


def test_omega_as_printed_belongs_to_the_free_power(published_dir):
    N, total = hoffmann_sizes()
    free = fit_vocabulary(N, total, None)
    assert (free.omega, free.power) == pytest.approx((47491, 0.3393), rel=1e-3)
    assert fit_vocabulary(N, total).omega == pytest.approx(52960, rel=1e-3)


def test_without_noise_the_prediction_is_exact(exact):
    found = measured_exponents(exact)
    assert found["with_head"].measured.value == pytest.approx(0.5, abs=0.002)
    assert found["with_head"].predicted.value == pytest.approx(0.5, abs=1e-4)
    assert found["non_embedding"].predicted.value == pytest.approx(0.694, abs=0.002)
    for count in ("non_embedding", "with_head"):
        assert found[count].difference.value == pytest.approx(0, abs=0.003)


def test_with_noise_the_count_shows_and_the_prediction_is_within_its_interval(noisy):
    found = measured_exponents(noisy)
    without, with_head = found["non_embedding"].measured.ci95, found["with_head"].measured.ci95
    assert without[0] > with_head[1]
    for each in found.values():
        low, high = each.difference.ci95
        assert low < 0 < high
        assert high - low < 0.1
    assert (exponents_table(noisy)["prediction"] == "holds").all()


@pytest.mark.parametrize("name", ["2", "3", "4", "5", "6"])
def test_a_figure_is_drawn_and_says_what_it_shows(noisy, name):
    (figure,) = pearce2024.figures_named([name])
    table = figure.table(noisy)
    drawing = drawn(figure, table)
    assert len([ax for ax in drawing.axes if ax.get_xlabel()]) == table["panel"].nunique()
    assert figure.found(table).endswith(".")


def test_what_the_figures_show(noisy):
    def found(name):
        (figure,) = pearce2024.figures_named([name])
        return figure.found(figure.table(noisy))

    assert "up to 0.98 at 1.9e+06 parameters" in found("2")
    assert "0.78 by Besiroglu's and 0.74 by Hoffmann's" in found("3")
    assert "intervals are apart" in found("6")


def test_without_runs_the_page_has_closed_forms_and_says_what_to_train(tmp_path):
    page = write_page(pearce2024, pearce2024.figures_named(["2", "5"]), {}.get, tmp_path).read_text()
    assert "not measured: not trained: the sweep pearce/ladder: `scaling-harness sweep run pearce/ladder`" in page
    assert "0.781" in page
    assert page.count("<svg") == 1


def test_runs_that_are_no_ladder(tmp_path, noisy):
    with pytest.raises(UserError, match="pearce2024 reads one ladder"):
        Ladder.of([tmp_path / "table.csv"])
    small = Ladder(noisy.runs.where(np.asarray(noisy.runs.frame["C"] < 3e10)))
    with pytest.raises(LackingRunsError, match="by non_embedding the best size lies between 4 sizes at"):
        small.exponent("non_embedding")
    (figure,) = pearce2024.figures_named(["5"])
    with pytest.raises(LackingRunsError, match="it needs the sweep pearce/ladder"):
        figure.table(None)
