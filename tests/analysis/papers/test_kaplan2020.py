"""Kaplan's figures from runs of a known L(N, S_min) and B_crit(L): what they show, and what is said if they cannot."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.papers.draw import drawn, write_figures
from analysis.papers.figure import LackingRunsError
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.page import write_page
from analysis.papers.registry import PAPERS, paper_named
from analysis.papers.tidy import COLUMNS, KINDS
from scaling_harness.config.compose import CONF_DIR
from scaling_harness.errors import UserError
from tests.analysis.kaplan_truth import LAW, POWER

ALPHA_C = 1 / (1 / LAW["beta"] + POWER + 1 / LAW["alpha"])
NOT_FED = {"1"}  # by six sizes of three lengths: L(D) wants four
OF_SETTINGS = {"5", "6", "8", "22", "24", "9", "16", "7", "17", "20", "21"}  # other modules here


def figure(name):
    return kaplan2020.figures_named([name])[0]


def test_every_sweep_that_a_figure_needs_is_there():
    for paper in PAPERS.values():
        tiers = paper.tiers.values()
        needed = {name for each in paper.figures for name in each.needs}
        assert {name for tier in tiers for name in tier} <= needed
        named = needed | {name for tier in tiers for name in tier.values()}
        for name in named:
            assert (CONF_DIR / "sweep" / f"{name}.yaml").exists()


def test_b_crit_exponents_and_laws_are_those_of_the_truth(complete):
    assert complete.b_crit.derived["alpha_B"].value == pytest.approx(1 / POWER, rel=0.01)
    assert complete.steps_law_at_least.values == pytest.approx(LAW, rel=0.02)
    assert complete.compute_law_at_least.values["alpha"] == pytest.approx(ALPHA_C, rel=0.02)
    size = figure("14").found(figure("14").table(complete))
    assert f"size, ours, C_{{min}}: {ALPHA_C / LAW['alpha']:.1f}" in size


def test_the_steps_of_a_fixed_batch_give_other_exponents_than_s_min(complete):
    """At 2,048 tokens the runs lie below B_crit at the end and above it at the start."""
    assert abs(complete.steps_law.values["beta"] / LAW["beta"] - 1) > 0.5


@pytest.mark.parametrize(
    "each", [e for e in kaplan2020.figures if e.name not in NOT_FED | OF_SETTINGS], ids=lambda e: e.name
)
def test_a_figure_is_drawn_from_its_table_alone(complete, each, tmp_path):
    table = each.table(complete)
    assert tuple(table.columns) == COLUMNS
    assert set(table["kind"]) <= set(KINDS)
    table.to_csv(tmp_path / "table.csv", index=False)
    again = pd.read_csv(tmp_path / "table.csv").assign(series=lambda t: t["series"].astype(str))
    drawing = drawn(each, again)
    panels = [ax for ax in drawing.axes if ax.get_xlabel()]
    assert len(panels) == table["panel"].nunique()
    shown = {text.get_text() for ax in panels for text in ax.get_legend().get_texts()}
    assert shown == set(table["series"])
    assert each.found(table).endswith(".")


def test_one_law_goes_through_one_compute_one_number_of_steps_and_one_loss(complete):
    said = figure("11").found(figure("11").table(complete))
    assert "at fixed C_min eq. 5.6 misses" in said
    for words in said.split(";")[:2]:
        assert float(words.split("by ")[1].split("%")[0]) < 1.0
    table = figure("19").table(complete)
    for panel in ("steps", "tokens"):
        for _, at in table.loc[table["panel"] == panel].groupby("series"):
            assert (np.diff(at.sort_values("x")["y"]) < 0).all()
    assert "times fewer tokens" in figure("19").found(table)


def test_runs_that_cannot_feed_a_figure_are_told_what_to_train(of_one_batch, tmp_path):
    said = (
        "these runs do not feed figure 10: all runs have 2048 tokens a step: steps against the batch need runs of "
        "several; it needs the sweeps kaplan/critical-batch and merrill/branches: `scaling-harness sweep run "
        "kaplan/critical-batch && scaling-harness sweep run merrill/branches`"
    )
    with pytest.raises(LackingRunsError) as raised:
        figure("10").table(of_one_batch)
    assert str(raised.value) == said
    found = write_figures("kaplan2020", kaplan2020.figures_named(["10", "23"]), of_one_batch, tmp_path, ("svg",))
    assert [each.reason for each in found] == [said, None]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kaplan2020-figure-23.csv", "kaplan2020-figure-23.svg"]
    with pytest.raises(LackingRunsError, match="figure 18"):
        write_figures("kaplan2020", kaplan2020.figures_named(["18"]), of_one_batch, tmp_path, ("svg",))
    with pytest.raises(UserError, match="gif is no format"):
        write_figures("kaplan2020", kaplan2020.figures, of_one_batch, tmp_path, ("gif",))


def test_laws_that_never_cross_are_drawn_with_that_sentence(complete):
    table = figure("15").table(complete)
    assert not table["series"].str.startswith("crossing").any()
    assert "Ours: L(C) falls no faster than L(D(C)), so that they never cross; paper:" in figure("15").found(table)


def test_figure_13_without_b_crit_says_so(of_one_batch):
    table = figure("13").table(of_one_batch)
    assert "C_min is not drawn: these runs do not give B_crit(L), see figure 10" in figure("13").found(table)
    assert not table["series"].str.contains("C_{min}", regex=False).any()


def test_figure_10_says_that_no_run_measured_the_noise_scale(complete):
    assert "the gradient noise scale is not drawn: it needs runs that measure it (evaluation.noise_every)" in figure(
        "10"
    ).found(figure("10").table(complete))


def test_the_paper_has_its_own_lines_where_they_can_be_drawn(complete):
    cost = figure("12").table(complete).query("panel == 'compute' and kind == 'paper'")
    assert np.interp([0.577, 1.0, 2.183], cost["x"], cost["y"]) == pytest.approx([1.2, 1.0, 1.2], abs=0.01)
    growth = figure("3").table(complete).query("kind == 'paper' and x > 9e8")
    assert sorted(np.log10(growth["y"]) / 9) == pytest.approx([0.73, 0.97, 1.0], abs=0.01)


def test_the_page_has_every_law_and_the_reason_of_each_that_is_missing(complete, tmp_path):
    """The sweeps of the figures are read by their names; those that are not there are named."""
    figures = kaplan2020.figures_named(["10", "3"])
    paper = replace(kaplan2020, read=lambda paths: complete)
    trained = dict.fromkeys(("kaplan/critical-batch", "merrill/branches"), tmp_path / "store")
    page = write_page(paper, figures, trained.get, tmp_path)
    html = page.read_text()
    assert "B_crit(L), alpha_B (1.4)" in html
    assert "not measured: not trained: the sweep kaplan/sizes: `scaling-harness sweep run kaplan/sizes`" in html
    assert "Figure 10: The critical batch against the loss" in html
    assert "Not trained: the sweep kaplan/sizes" in html
    assert html.count("<svg") == 1
    assert "data:text/csv;base64," in html


def test_a_sweep_of_which_no_run_has_finished_is_said_on_the_page(tmp_path):
    (tmp_path / "sweep").mkdir()
    page = write_page(
        kaplan2020, kaplan2020.figures_named(["18"]), {"kaplan/critical-batch": tmp_path / "sweep"}.get, tmp_path
    )
    assert "run a sweep first" in page.read_text()


def test_papers_and_figures_are_named():
    with pytest.raises(UserError, match="no paper is called 'kaplan' here: there are kaplan2020"):
        paper_named("kaplan")
    with pytest.raises(UserError, match="kaplan2020 has no figure 99 here: there are 1, 2"):
        kaplan2020.figures_named(["99"])
    assert kaplan2020.figures_named([]) == kaplan2020.figures
