"""Figures and tables of runs, of public tables and of closed forms."""

import json

import pandas as pd
import pytest

from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper, PaperTable, public_table
from analysis.papers.page import write_page
from analysis.papers.registry import PAPERS
from analysis.papers.tidy import Panel, drawing, rows, tidy
from analysis.runs.public_tables import DATASETS, ENVIRONMENT
from scaling_harness.config.compose import CONF_DIR
from scaling_harness.errors import UserError

LINE = tidy([rows("ours", "line", "fit", [1e10, 1e12], [2.0, 1.0])], "byte")
DRAW = drawing({"ours": Panel("", "C", "L")})


def refuse(_evidence):
    raise UserError("no such runs")


def a_figure(data, needs=(), name="1"):
    return Figure(name, "A line", "It falls.", "nothing", needs, data, DRAW, lambda table: f"{len(table)} points.")


def test_everything_that_a_figure_or_a_table_needs_is_a_sweep_or_a_public_table():
    for paper in PAPERS.values():
        for each in (*paper.figures, *paper.tables):
            for sweep in each.needs:
                assert (CONF_DIR / "sweep" / f"{sweep}.yaml").exists(), (paper.key, each.name, sweep)
            assert set(each.public) <= set(DATASETS), (paper.key, each.name)


def test_a_page_of_closed_forms_and_tables_needs_no_runs(tmp_path):
    table = PaperTable("3", "Sizes", "They agree.", (), lambda _: pd.DataFrame({"N": ["1.0e9"], "ours": ["1.1e9"]}))
    lacking = PaperTable("4", "Rates", "They differ.", ("kaplan/sizes",), refuse)
    figures = (a_figure(lambda _: LINE), a_figure(refuse, name="2"))
    paper = Paper("toy", "A toy", figures, list, lambda _: [], {"quick": {}}, (table, lacking))
    page = write_page(paper, figures, {}.get, tmp_path).read_text()
    assert "2 points." in page
    assert "1.1e9" in page
    assert "Figure 2 cannot be made: no such runs." in page
    assert "Not trained: the sweep kaplan/sizes: `scaling-harness sweep run kaplan/sizes`." in page


def test_a_law_may_need_a_sweep_that_no_figure_needs(tmp_path):
    def laws(evidence_of):
        return [LawRow("N ~ C", ".88", str(evidence_of(("kaplan/sizes",))), "no")]

    paper = Paper("toy", "A toy", (), lambda paths: [path.name for path in paths], laws, {"quick": {}})
    where = {"kaplan/sizes": tmp_path / "sizes", "kaplan/shape": tmp_path / "shape"}
    assert "[&#39;sizes&#39;]" in write_page(paper, (), where.get, tmp_path).read_text()
    assert json.loads((tmp_path / "page.json").read_text())["sweeps"] == {"kaplan/sizes": str(tmp_path / "sizes")}


def test_runs_that_do_not_feed_a_table_are_told_what_to_train():
    table = PaperTable("4", "Rates", "They differ.", ("kaplan/sizes",), refuse)
    with pytest.raises(LackingRunsError, match=r"do not feed table 4: no such runs; it needs the sweep kaplan/sizes"):
        table.table(None)


def test_a_public_table_is_read_or_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    with pytest.raises(LackingRunsError, match=r"porian2024 is not here: put porian_isoflop_points\.csv"):
        public_table("porian2024")
