"""`figures`: which it draws, where they go, and what it says of those that it cannot."""

import json

import pytest

ARCHIVE = "archive:reproduce-mini"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_list_names_each_with_what_it_needs_and_shows(call, capsys):
    assert call("figures", "--list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"isoflop", "frontier", "noise_scale"} <= {row["figure"] for row in rows}
    assert all(row["needs"] and row["shows"] for row in rows)
    assert call("figures", "--list", "--figure", "isoflop") == 0
    assert "needs 4 sizes or more" in capsys.readouterr().out


def test_one_figure_in_two_formats_beside_its_table(call, capsys, in_a_folder):
    assert call("figures", ARCHIVE, "--figure", "isoflop", "--format", "pdf,svg", "--out", "mine") == 0
    paths = capsys.readouterr().out.split()
    assert paths == ["mine/isoflop.pdf", "mine/isoflop.svg", "mine/isoflop.csv"]
    assert all((in_a_folder / path).stat().st_size > 500 for path in paths)


def test_a_figure_that_the_runs_do_not_feed_is_refused_with_what_they_lack(call, capsys, in_a_folder):
    (in_a_folder / "few.csv").write_text("N,D,loss\n1000,20000,4\n2000,30000,3.5\n")
    asked = ("figures", "few.csv", "--columns", "N=N,D=D,loss=loss")
    assert call(*asked, "--figure", "isoflop") == 1
    err = capsys.readouterr().err
    assert "isoflop: Not drawn: no budget has 4 sizes or more" in err
    assert "it needs 4 sizes" in err
    assert call(*asked, "--figure", "fig4") == 2
    assert "there is no figure fig4" in capsys.readouterr().err
    assert call(*asked, "--figure", "isoflop", "--format", "gif") == 2
    assert "gif is no format" in capsys.readouterr().err
    assert call("figures") == 2
    assert "name runs to draw" in capsys.readouterr().err
    assert not (in_a_folder / "figures").exists()


def test_figures_of_a_paper_are_drawn_by_their_number_or_refused_with_what_to_train(call, capsys, in_a_folder):
    paper = ("--paper", "kaplan2020")
    assert call("figures", *paper, "--list", "--figure", "10") == 0
    assert "needs kaplan/critical-batch" in capsys.readouterr().out
    assert (
        call("figures", "archive:reproduce-quick", *paper, "--figure", "23,10", "--format", "svg", "--out", "mine") == 1
    )
    said = capsys.readouterr()
    assert said.out.split() == ["mine/kaplan2020-figure-23.svg", "mine/kaplan2020-figure-23.csv"]
    assert "10: these runs do not feed figure 10: all runs have 128 tokens a step" in said.err
    assert "`scaling-harness sweep run kaplan/critical-batch && scaling-harness sweep run merrill/branches`" in said.err
    (in_a_folder / "few.csv").write_text("N,D,loss\n1000,20000,4\n2000,30000,3.5\n")
    for refused, why in (
        (("few.csv", *paper), "few.csv is a table"),
        ((ARCHIVE, *paper, "--count", "total"), "leave out --columns, --count"),
        ((ARCHIVE, "--paper", "hoffmann"), "no paper is called 'hoffmann' here: there are kaplan2020"),
        (paper, "name runs to draw"),
    ):
        assert call("figures", *refused) == 2
        assert why in capsys.readouterr().err


def test_without_runs_closed_forms_are_drawn_and_the_rest_says_what_it_lacks(call, capsys, in_a_folder):
    asked = ("--paper", "pearce2024", "--format", "svg", "--out", "mine")
    assert call("figures", *asked, "--figure", "2,5") == 1
    said = capsys.readouterr()
    assert said.out.split() == ["mine/pearce2024-figure-2.svg", "mine/pearce2024-figure-2.csv"]
    assert said.err == (
        "5: it needs runs: name them, from the sweep pearce/ladder: `scaling-harness sweep run pearce/ladder`\n"
    )
