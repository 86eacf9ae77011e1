import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import figures
from analysis.figures import diagnostics as checks
from analysis.figures import frontier
from analysis.figures.style import (
    Labels,
    Shades,
    inline_svg,
    labels_of,
    nice_ticks,
    power,
    rendered,
    save_figure,
    short,
    span,
)
from analysis.fitting.goodness_of_fit import OffsetProfile
from analysis.frontier.approach2_isoflop import slices
from analysis.laws import simulate
from analysis.report import panels
from analysis.report.figures import CATALOGUE, Material
from analysis.runs.curves import curves_of
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs

LABELS = Labels("with_head", "byte")
UNIT = re.compile(r", (FLOP|parameters|bytes|nats/byte|%)(, falling)?$|^cells$|^F statistic$")


@pytest.fixture(scope="module")
def analysis(simulated_analysis):
    return simulated_analysis


@pytest.fixture(scope="module")
def material(analysis):
    found = analysis.approaches
    return Material(analysis.runs, analysis.curves, found.cells, found.slices, analysis, None)


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def test_every_figure_is_drawn_with_units_on_its_axes(material):
    for entry in CATALOGUE:
        figure = entry.draw(material)
        assert isinstance(figure, Figure), entry.name
        labels = [label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel()) if label]
        assert figure.axes[0].get_xlabel() in labels, entry.name
        assert [label for label in labels if not UNIT.search(label)] == [], entry.name
        assert entry.see.endswith(".")
        assert entry.see.count(". ") == 0
        assert entry.found(material).endswith(".")
        assert not entry.data(material).empty


def test_each_figure_has_a_file_and_a_title_of_its_own():
    for names in ([entry.name for entry in CATALOGUE], [entry.title for entry in CATALOGUE]):
        assert len(set(names)) == len(names)


@pytest.fixture
def ax():
    """An Axes of a figure of one's own."""
    return Figure().subplots()


def test_each_curve_is_drawn_against_six_n_tokens(analysis, ax):
    figures.loss_curves(ax, analysis.runs, analysis.curves, analysis.approaches.envelope)
    index, (tokens, loss) = next(iter(analysis.curves.items()))
    drawn = ax.collections[0].get_segments()[0]
    np.testing.assert_allclose(drawn[:, 0], 6 * analysis.runs.frame.N[index] * tokens)
    np.testing.assert_allclose(drawn[:, 1], loss)
    kept = lines(ax)["envelope of the curves"][:, 1]
    assert np.isfinite(kept).sum() == analysis.approaches.envelope.kept.sum()


def test_a_vertex_is_marked_at_the_minimum_of_each_usable_budget(analysis, ax):
    found = analysis.approaches
    figures.isoflop_parabolas(ax, analysis.runs)
    stars = sorted(line.get_xdata()[0] for line in ax.lines if line.get_marker() == "*" and len(line.get_xdata()))
    assert stars == pytest.approx(sorted(found.approaches["2"].points.N_opt))


def test_an_excluded_budget_is_grey_and_says_why(isoflop, ax):
    best = isoflop.groupby("C").L.idxmin()
    small = isoflop[(isoflop.C > 2e11) | isoflop.N.lt(isoflop.N[best.iloc[0]])]
    figures.isoflop_parabolas(ax, Runs(small))
    greyed = [line for line in ax.lines if "left out" in str(line.get_label())]
    assert len(greyed) == 1
    assert "above the" in greyed[0].get_label()
    assert greyed[0].get_linestyle() == "--"


def test_many_budgets_are_named_by_a_colour_bar():
    frame = simulate.isoflop(
        {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}, np.geomspace(1e11, 1e14, 30)
    )
    figure = Figure(layout="constrained")
    ax = figures.isoflop_parabolas(figure.subplots(), Runs(frame))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["vertex", "one seed"]
    assert rendered(figure, "png")  # a legend of thirty lines leaves no room for the axes, which is a warning


def test_bands_hold_the_lines_and_references_have_the_published_slopes(analysis):
    left, right = panels.compute_optimal(analysis.approaches, LABELS).axes
    for ax, slopes in ((left, (0.73, 0.50)), (right, (0.27, 0.50))):
        found = [np.polyfit(*np.log(xy).T, 1)[0] for name, xy in lines(ax).items() if name.startswith("slope")]
        assert found == pytest.approx(slopes)
    C = np.geomspace(1e11, 3e12, 5)
    low, high = frontier._fit_band(analysis.approaches.parametric, C, "N")
    best = analysis.approaches.parametric.optimal(C).n_params
    assert ((low < best) & (best < high)).all()
    second = analysis.approaches.approaches["2"]
    low, high = frontier._slope_band(second, C, second.n_opt(C), "N")
    ends = np.log(high / low)
    assert ends[0] > ends[2] < ends[-1]


def test_contours_hold_runs_and_frontier(analysis):
    found = analysis.approaches
    left, right = panels.parametric_law(found.parametric, found.cells, LABELS).axes
    runs = lines(left)["runs"]
    assert len(runs) == len(found.cells)
    frontier_line = lines(left)["efficient frontier"]
    flops, n_params = frontier_line[len(frontier_line) // 2]
    assert n_params == pytest.approx(found.parametric.optimal(flops).n_params)
    assert len([1 for ax_line in right.lines if ax_line.get_marker() == "o"]) == 5


def test_each_panel_of_kaplan_says_what_was_held_fixed(analysis):
    figure = panels.one_variable_laws(analysis.kaplan, LABELS)
    for ax, law in zip(figure.axes, analysis.kaplan.values(), strict=True):
        title = ax.get_title().replace("\n", " ")
        assert title.startswith(f"L({law.variable})")
        assert law.held_fixed in title
        legend = ax.get_legend()
        texts = [text.get_text() for text in legend.get_texts()] if legend else []
        assert len(texts) == (law.plain is not None) + (law.offset is not None)
        assert all("E = " in text for text in texts[1:])


def test_residuals_are_those_of_the_cells_and_the_band_is_seed_noise(analysis):
    found = analysis.approaches
    figure = panels.residuals(found.parametric, found.cells, found.noise, LABELS)
    drawn = figure.axes[1].collections[0].get_offsets()
    expected = 100 * np.log(found.cells.L / found.parametric.predict(N=found.cells.N, D=found.cells.D))
    np.testing.assert_allclose(drawn[:, 1], expected)
    assert checks.noise_band_percent(found.cells, found.noise) == pytest.approx(
        100 * 1.96 * analysis.third.quality.seed_rms
    )
    assert f"{100 * analysis.third.quality.residual_rms:.2f} %" in figure.axes[3].get_title()
    without = panels.residuals(found.parametric, found.cells, None, LABELS)
    assert "no band" in without.axes[0].get_title(loc="left")


def test_forecast_is_that_of_the_holdout_and_its_errors_stand_beside_it(analysis):
    held = analysis.holdout
    left, right = panels.forecast(held, analysis.approaches.cells, LABELS).axes
    line = lines(left)["forecast of the law"]
    at_runs = np.interp(np.log(held.points.N), np.log(line[:, 0]), line[:, 1])
    np.testing.assert_allclose(at_runs, held.points.predicted, rtol=1e-3)
    widths = [bar.get_width() for bar in right.patches]
    assert widths == pytest.approx(
        [100 * held.mean_abs_rel_error, 100 * held.error_power_law, 100 * held.error_last_budget]
    )


@pytest.mark.parametrize(("identified", "verdict"), [(True, "away from zero"), (False, "allow E = 0")])
def test_profile_says_whether_e_is_bounded(identified, verdict, ax):
    grid = np.linspace(0, 2, 30)
    profile = OffsetProfile(1.0, (0.8 * identified, 1.2), identified, grid, 50 * (grid - 1) ** 2, 4.0)
    figures.offset_profile(ax, profile)
    assert verdict in ax.get_title()


def test_without_a_law_the_curves_are_drawn_and_the_rest_says_why(simulated_sweep):
    runs = load_runs(simulated_sweep)
    few = runs.where(runs.frame.N.eq(runs.frame.N.min()))
    cells = design_cells(few.frame)
    material = Material(few, curves_of(few), cells, tuple(slices(cells)), None, "too few")
    by_name = {entry.name: entry.draw(material) for entry in CATALOGUE}
    assert isinstance(by_name["loss_curves"], Figure)
    assert "no budget has 4 sizes" in by_name["isoflop"]
    assert by_name["frontier"] == "Not drawn: no law was fitted."


def test_files_are_png_and_pdf_and_the_same_when_drawn_again(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2], [3, 4])
    paths = save_figure(figure, tmp_path / "figures", "line")
    assert [path.name for path in paths] == ["line.png", "line.pdf"]
    assert paths[0].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in save_figure(figure, tmp_path / "again", "line")] == first


def test_an_inline_figure_has_text_and_ids_of_its_own():
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2], [3, 4], "o", label="seen")
    figure.axes[0].set_xlabel("what is drawn")
    text = inline_svg(figure, "line")
    assert text == inline_svg(figure, "line")
    ids = re.findall(r'id="([^"]*)"', text)
    assert len(ids) == len(set(ids)) > 0
    assert {name.split("-")[0] for name in ids} == {"line"}
    assert {*re.findall(r'href="#([^"]*)"', text), *re.findall(r"url\(#([^)]*)\)", text)} <= set(ids)
    assert "what is drawn</text>" in text
    assert text.startswith('<svg role="img" aria-label="line" style="min-width: 124px; max-width: 230px" viewBox=')


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (9e3, 7e5, [1e4, 2e4, 5e4, 1e5, 2e5, 5e5]),
        (5e3, 2e6, [1e4, 3e4, 1e5, 3e5, 1e6]),
        (1e3, 1e7, [1e3, 1e4, 1e5, 1e6, 1e7]),
        (1.6, 3.6, [2, 2.5, 3, 3.5]),
    ],
)
def test_ticks_are_round_and_few(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("low", np.geomspace(1e-2, 1e14, 9))
@pytest.mark.parametrize("factor", [1.02, 1.5, 5, 12, 300, 1e9])
def test_any_positive_range_has_two_to_seven_ticks_inside(low, factor):
    ticks = nice_ticks(low, low * factor)
    assert 2 <= len(ticks) <= 7
    assert all(low <= t <= low * factor for t in ticks)


def test_numbers_on_ticks():
    assert [short(x) for x in (950, 28e3, 2.5e6, 3e9)] == ["950", "28k", "2.5M", "3B"]
    assert power(3e11) == r"$3\times 10^{11}$"
    assert power(3.15008e11) == r"$3.15\times 10^{11}$"
    assert power(9.998e10) == power(1e11) == r"$10^{11}$"


def test_one_size_still_has_a_colour_and_one_value_a_range():
    assert Shades([1e4]).of(1e4) == Shades([1e3, 1e5]).of(1e4)
    assert span([100.0]).min() == pytest.approx(50)


def test_labels_name_the_count_and_bytes():
    bytes_ = Runs(pd.DataFrame({"vocab_size": [256]}), count="non_embedding")
    assert labels_of(bytes_).loss == "held-out loss, nats/byte"
    assert labels_of(bytes_).n == "N (non-embedding), parameters"
    table = Runs(pd.DataFrame({"N": [1.0]}))
    assert labels_of(table).d == "D, tokens"
    assert labels_of(table).n == "N, parameters"
