import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.report.draw import FORMATS, draw, entries
from analysis.report.figures import CATALOGUE, Material
from analysis.report.read_sweep import material_of
from scaling_harness.errors import HarnessError, UserError


@pytest.fixture(scope="module")
def material(simulated_analysis):
    found = simulated_analysis.approaches
    return Material(
        simulated_analysis.runs, simulated_analysis.curves, found.cells, found.slices, simulated_analysis, None
    )


def test_a_figure_is_drawn_without_a_fit_if_the_catalogue_says_so(material):
    unfitted = dataclasses.replace(material, analysis=None, reason="nothing was tried")
    for entry in CATALOGUE:
        said = entry.draw(unfitted)
        if entry.name != "loss_curves":  # drawn either way, with its envelope from a fit
            assert (said == "Not drawn: no law was fitted.") == entry.fitted


def test_figures_are_named_and_all_of_them_by_default():
    assert entries(()) == CATALOGUE
    assert [entry.name for entry in entries(["frontier", "isoflop", "frontier"])] == ["frontier", "isoflop"]
    with pytest.raises(UserError, match=r"no figure fig4: they are .*isoflop"):
        entries(["fig4"])


def test_each_format_and_the_table_are_written(material, tmp_path):
    (drawn,) = draw(material, entries(["isoflop"]), tmp_path, ("svg", "pdf"))
    assert [path.name for path in drawn.files] == ["isoflop.svg", "isoflop.pdf", "isoflop.csv"]
    assert b"<svg" in drawn.files[0].read_bytes()
    assert drawn.files[1].read_bytes()[:4] == b"%PDF"
    table = pd.read_csv(drawn.files[2])
    assert sorted(table.n_params_optimal.unique()) == pytest.approx(sorted(p.n_opt for p in material.slices), rel=1e-5)
    with pytest.raises(UserError, match="gif is no format of a figure: they are png, pdf, svg"):
        draw(material, entries(["isoflop"]), tmp_path, ("gif",))


@pytest.mark.parametrize("name", [entry.name for entry in CATALOGUE])
def test_every_point_that_is_drawn_stands_in_the_table(material, name):
    (entry,) = entries([name])
    figure = entry.draw(material)
    assert isinstance(figure, Figure)
    numbers = entry.data(material).select_dtypes("number").to_numpy().ravel()
    runs = material.runs.frame["L"].to_numpy() if name == "isoflop" else []  # its seeds are dots behind the means
    known = np.sort(np.concatenate([numbers[np.isfinite(numbers)], runs]))
    for y in points(figure):
        nearest = known[np.abs(known - y).argmin()]
        assert nearest == pytest.approx(y, rel=1e-6, abs=1e-9), (name, y)


def points(figure):
    """The heights of markers and dots, and of curves that are measured; not the caps of error bars."""
    for ax in figure.axes:
        for line in ax.lines:
            marked = line.get_marker() not in ("None", "", None, "_")
            if (marked and len(line.get_ydata())) or line.get_alpha() == 0.65:  # training curves have no markers
                yield from np.asarray(line.get_ydata(), float)
        for dots in (each for each in ax.collections if type(each).__name__ == "PathCollection"):
            yield from np.asarray(dots.get_offsets(), float)[:, 1]


def test_what_the_runs_do_not_feed_is_a_sentence_and_nothing_is_an_error(material, tmp_path):
    unfitted = dataclasses.replace(material, analysis=None, reason="2 budgets are too few")
    first, second = draw(unfitted, entries(["isoflop", "frontier"]), tmp_path, FORMATS[:1])
    assert first.reason is None
    assert second.files == ()
    assert second.reason == (
        "Not drawn: no law was fitted (2 budgets are too few); it needs runs at enough N and D for a law in both"
    )
    with pytest.raises(HarnessError, match="frontier: Not drawn"):
        draw(unfitted, entries(["frontier"]), tmp_path, FORMATS[:1])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        draw(material, entries(["isoflop"]), tmp_path / "file", FORMATS[:1])


def test_runs_are_read_without_fits_for_a_figure_that_has_no_use_for_them(simulated_sweep, material):
    plain = material_of(simulated_sweep, fitted=False)
    assert plain.analysis is None
    assert [piece.n_opt for piece in plain.slices] == pytest.approx([piece.n_opt for piece in material.slices])
