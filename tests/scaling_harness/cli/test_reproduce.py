"""`reproduce` of a paper: which sweeps it trains, and what its page says of those that it does not."""

import json

import pytest

from scaling_harness.cli import reproduce


@pytest.fixture(autouse=True)
def trained(tmp_path, monkeypatch):
    """Names of the sweeps that would be trained; none is."""
    monkeypatch.chdir(tmp_path)
    names = []
    monkeypatch.setattr(reproduce, "run_sweep", lambda args, name: (names.append(name) or 1, tmp_path))
    return names


def test_a_figure_trains_its_own_sweeps_of_the_tier(call, trained):
    assert call("reproduce", "kaplan2020", "--figure", "10,18") == 1
    assert trained == ["kaplan/critical-batch"]
    assert call("reproduce", "kaplan2020", "--tier", "standard", "--figure", "2") == 1
    assert trained[1:] == ["kaplan/sizes"]
    assert call("reproduce", "kaplan2020", "--tier", "paper", "--figure", "1,2") == 1
    assert trained[2:] == ["kaplan/paper-grid"]


def test_the_page_says_what_is_not_trained(call, trained, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("scaling_harness.record.archive.COMMITTED", tmp_path)  # it has every sweep of this paper
    assert call("reproduce", "kaplan2020", "--figure", "2") == 0
    assert trained == []
    assert capsys.readouterr().out == "page: runs/papers/kaplan2020/page.html\n"
    document = json.loads((tmp_path / "runs" / "papers" / "kaplan2020" / "page.json").read_text())
    (figure,) = document["figures"]
    assert figure["reason"] == "Not trained: the sweep kaplan/sizes: `scaling-harness sweep run kaplan/sizes`."


def test_from_archives_trains_the_others_alone(call, trained, tmp_path, monkeypatch):
    assert call("reproduce", "hestness2017", "--from-archives", "--figure", "sizes") == 0
    assert trained == []
    monkeypatch.setattr("scaling_harness.record.archive.COMMITTED", tmp_path)
    assert call("reproduce", "hestness2017", "--from-archives", "--figure", "sizes") == 1
    assert trained == ["hestness/text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kaplan",), "no paper is called 'kaplan' here"),
        (("kaplan2020", "--tier", "mini"), "kaplan2020 has no tier mini: there are quick, standard"),
        (("kaplan2020", "--figure", "99"), "kaplan2020 has no figure 99 here"),
        (("--figure", "10"), "--figure, --from-archives and --tier paper are of a paper"),
        (("kaplan2020", "optim.lr=1e-3", "--from-archives"), "as they were trained, without optim.lr=1e-3: leave"),
        (("--from-archives",), "--figure, --from-archives and --tier paper are of a paper"),
        (("--tier", "paper"), "--figure, --from-archives and --tier paper are of a paper"),
    ],
)
def test_what_is_not_there_is_refused(call, trained, capsys, words, said):
    assert call("reproduce", *words) == 2
    assert said in capsys.readouterr().err
    assert trained == []
