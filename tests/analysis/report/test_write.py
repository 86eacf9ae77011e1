import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from analysis.fitting.fit import fit
from analysis.fitting.result import UNUSABLE
from analysis.frontier.exact_flops import exact_allocation
from analysis.laws import simulate
from analysis.laws.chinchilla import skaling
from analysis.report import context
from analysis.report import figures as catalogue
from analysis.report import write as report
from analysis.report.context import SECTIONS
from analysis.report.provenance import recipe_text
from analysis.report.summary import analyse, table_rows
from analysis.report.tables import noise_sentences, number
from analysis.report.write import print_headline, write_report
from analysis.runs.selection import Runs
from scaling_harness.errors import UserError
from scaling_harness.record import archive as archives
from scaling_harness.record.archive import SUFFIX, export_sweep, write_archive


@pytest.fixture(scope="module")
def page(simulated_report):
    return simulated_report, simulated_report.html.read_text()


@pytest.fixture
def no_figures(monkeypatch, one_law):
    monkeypatch.setattr(catalogue, "CATALOGUE", ())


def test_a_report_of_an_archive_has_the_same_numbers(simulated_sweep, no_figures, tmp_path, monkeypatch):
    """It is written into the working directory, not beside an archive that came with the code."""
    write_archive(tmp_path / "there" / f"sweep{SUFFIX}", export_sweep(simulated_sweep))
    monkeypatch.setattr(archives, "COMMITTED", tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    archived = write_report("archive:sweep", resamples=20).summary_json
    assert archived.resolve() == (tmp_path / "reports" / "sweep" / "summary.json").resolve()
    whole = write_report(simulated_sweep, tmp_path / "whole", resamples=20).summary_json
    read, expected = (json.loads(file.read_text()) for file in (archived, whole))
    assert read.pop("made_from") != expected.pop("made_from")
    assert read == expected


class Links(HTMLParser):
    """Ids and everything the page points to; complains of tags left open."""

    def __init__(self):
        super().__init__()
        self.ids, self.targets, self.open = set(), [], []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids.add(named.get("id"))
        self.targets += [named[name] for name in ("href", "src") if name in named]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids.add(dict(attrs).get("id"))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(text):
    links = Links()
    links.feed(text)
    assert links.open == []
    return links


def test_page_needs_nothing_from_outside(page):
    links = parsed(page[1])
    assert {target.partition(":")[0] for target in links.targets if not target.startswith("#")} == {"data"}
    assert {name for name, _ in SECTIONS} <= {target[1:] for target in links.targets if target.startswith("#")}
    assert {target[1:] for target in links.targets if target.startswith("#")} <= links.ids
    assert not re.search(r"@import|<script|url\((?!#)", page[1])


def test_page_shows_what_the_summary_says(page):
    written, text = page
    document = json.loads(written.summary_json.read_text())
    for name in "123":
        assert f"{document['approaches'][name]['a']['value']:.3f}" in text
    assert f"By approach 3 the irreducible loss E is {document['parametric']['params']['E']['value']:.3f}" in text
    assert "approach 3, nats per byte" in text
    assert "bytes" in document["kaplan"]["alpha_N"]["held_fixed"]
    assert "nats per token" not in text
    assert f"skill {document['holdout']['skill']:.2f}" in text
    assert (document["n_planned"], document["n_finished"]) == (135, 135)
    assert "incomplete" not in text
    assert "besiroglu2024" in text
    assert written.analysis is not None


def test_page_ranks_laws_and_names_the_cells_that_move_the_exponent(page):
    analysis, text = page[0].analysis, page[1]
    best = analysis.ranking.table.iloc[0]
    assert f"<td>{best.law}</td><td>{best.mean_abs_rel_error:.2%}</td><td>{best.skill:.2f}</td>" in text
    for law in analysis.ranking.table.law:
        assert f"<td>{law}</td>" in text
    most = analysis.influence.frame.iloc[0]
    assert f"<td>{most.run}</td><td>{most.residual:+.2%}</td><td>{most.a:+.4f}</td>" in text
    assert "a moves by" in text


def test_laws_that_leave_only_noise_are_named_where_the_headline_law_does_not():
    frame = simulate.isoflop({"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}, [1e11, 1e12, 1e13, 1e14])
    params = {"E": 0.5, "A": 280.0, "B": 320.0, "alpha": 0.61, "beta": 0.46, "k": 0.5}
    noise = np.exp(0.001 * np.random.default_rng(0).standard_normal(len(frame)))
    runs = Runs(frame.assign(L=skaling.predict(params, N=frame.N, D=frame.D) * noise))
    third, fitting = noise_sentences(analyse(runs, resamples=20))
    assert third.startswith("The residuals of approach 3, L(N,D) = E + A/N^alpha + B/D^beta, over 36 cells")
    assert "the law misses more than noise, so that a part of this is its form's" in third
    assert "if it falls as D^-0.39" in third
    assert fitting.endswith("in which no lack is seen: skaling.")


def test_figures_are_files_and_in_the_page(page):
    written, text = page
    assert [path.name for path in written.figures] == ["isoflop.png", "isoflop.pdf", "isoflop.csv"]
    assert all(path.parent == written.html.parent / "figures" for path in written.figures)
    assert text.count('<svg role="img"') == 1
    assert 'download="isoflop.csv" href="data:text/csv;base64,' in text


def test_checklist_names_recipe_starts_and_data(page):
    for words in ("optim.lr = 0.01", "of a grid", "log_huber, delta 0.001", "0000000000", "data abc"):
        assert words in page[1]


def test_a_sweep_still_running_says_so(make_sweep, record, isoflop, no_figures):
    rows = isoflop[isoflop.seed == 0].itertuples()
    records = [record(f"run{i}", round(run.N), round(run.D), run.L) for i, run in enumerate(rows)]
    sweep = make_sweep(records[:30], unfinished=[f"run{i}" for i in range(30, 45)])
    written = write_report(sweep, resamples=20)
    text = written.html.read_text()
    assert written.html == sweep / "report.html"
    assert "<strong>incomplete: 30 of 45 runs finished</strong>" in text
    assert text.count("<td>not finished</td>") == 15
    assert "Noise unidentified" in text
    parsed(text)


@pytest.mark.parametrize("n_finished", [0, 1, 3])
def test_too_few_runs_say_why_instead_of_failing(make_sweep, record, isoflop, n_finished, no_figures):
    rows = list(isoflop.itertuples())[:n_finished]
    records = [record(f"run{i}", round(run.N), round(run.D), run.L, seed=i) for i, run in enumerate(rows)]
    written = write_report(make_sweep(records, unfinished=["other"]))
    text, document = written.html.read_text(), json.loads(written.summary_json.read_text())
    assert written.analysis is None
    assert "<strong>No law was fitted</strong>" in text
    assert f"incomplete: {n_finished} of {n_finished + 1} runs finished" in text
    assert document["reason"] in text.replace("&#39;", "'")
    assert (document["n_runs"], document["n_finished"]) == (n_finished, n_finished)
    parsed(text)


def test_mixed_recipes_are_shown_but_not_fitted(make_sweep, record, no_figures):
    records = [record(f"run{i}", 10**4, 10**6, 2.0 + i / 10) for i in range(4)]
    for i, made in enumerate(records):
        made.config["optim"] = {"lr": 0.01 * (1 + i % 2)}
    records.append(record("bad", 10**4, 10**6, 2.5, status="diverged", reason="loss is NaN"))
    text = write_report(make_sweep(records)).html.read_text()
    assert "mixes" in text
    assert "optim.lr = 0.01 | 0.02" in text
    assert "diverged: loss is NaN" in text


def test_a_table_is_reported_beside_it(isoflop, tmp_path, no_figures):
    table = tmp_path / "runs.csv"
    isoflop[:3].to_csv(table, index=False)
    written = write_report(table)
    assert written.html == tmp_path / "runs-report" / "report.html"
    assert "a table of runs trained elsewhere" in written.html.read_text()


def test_a_fit_that_did_not_converge_is_said_before_anything_else(
    simulated_sweep, simulated_analysis, tmp_path, no_figures, monkeypatch
):
    each = simulated_analysis.approaches.approaches
    third = dataclasses.replace(each["3"], warnings=(UNUSABLE,))
    approaches = dataclasses.replace(simulated_analysis.approaches, approaches={**each, "3": third})
    stuck = dataclasses.replace(simulated_analysis, approaches=approaches)
    monkeypatch.setattr(report, "analyse_sweep", lambda *_: (stuck, None))
    page = write_report(simulated_sweep, tmp_path / "report").html.read_text()
    assert page.count(f"<p><strong>{UNUSABLE}</strong>.</p>") == 1
    assert page.index(UNUSABLE) < page.index('id="answer"')


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(UserError, match="run a sweep first"):
        write_report(tmp_path)


def test_what_a_run_is_called_cannot_change_the_page(make_sweep, record, no_figures):
    odd = record("run", 10**4, 10**6, 2.0, status="failed", reason="<script>alert(1)</script>")
    text = write_report(make_sweep([odd, record("other", 10**4, 10**6, 2.0)])).html.read_text()
    assert "&lt;script&gt;" in text
    assert "<script" not in text


def test_a_count_that_cannot_be_fitted_is_a_sentence_in_its_row(make_sweep, record, isoflop, no_figures, monkeypatch):
    """One width in all runs: their non-embedding parameters are the same, the headline's are not."""

    def broken(*_):
        raise ValueError("no exact FLOPs today")

    monkeypatch.setattr(context, "exact_allocation", broken)
    records = []
    for i, run in enumerate(isoflop.itertuples()):
        made = record(f"run{i}", round(run.N), round(run.D), run.L, seed=int(run.seed))
        records.append(dataclasses.replace(made, n_params=made.n_params | {"non_embedding": 5000}))
    written = write_report(make_sweep(records), resamples=20)
    text, document = written.html.read_text(), json.loads(written.summary_json.read_text())
    assert np.isfinite(document["approaches"]["3"]["a"]["value"])
    assert "all runs have the same N" in document["counts"]["non_embedding"]["reason"]
    assert "value" in document["counts"]["total"]["3"]["a"]
    assert '<td>non-embedding, C = 6ND</td><td class="long">not fitted: all runs have the same N' in text
    assert "<td>not fitted: no exact FLOPs today</td>" in text
    parsed(text)


def test_a_constant_factor_in_flops_leaves_the_exponents(isoflop):
    found = fit("chinchilla", isoflop, resamples=40)
    exact = exact_allocation(isoflop.assign(train_flops_matmul=1.3 * isoflop.C), found)
    assert exact.ratio == pytest.approx((1.3, 1.3))
    assert exact.a.value == pytest.approx(found.derived["a"].value, abs=2e-3)
    assert exact.b.value == pytest.approx(found.derived["b"].value, abs=2e-3)
    assert exact.a.ci95 == pytest.approx(found.derived["a"].ci95, abs=5e-3)
    assert exact_allocation(isoflop, found) is None


def test_flops_that_grow_faster_than_n_lower_a_as_the_closed_form_says(isoflop):
    # C' = 6 N^(1+s) D changes D = C' / 6 N^(1+s), so a' = beta / (alpha + beta (1 + s))
    found = fit("chinchilla", isoflop, resample="none")
    alpha, beta = found.values["alpha"], found.values["beta"]
    exact = exact_allocation(isoflop.assign(train_flops_matmul=isoflop.C * (isoflop.N / 1e5) ** 0.2), found)
    assert exact.a.value == pytest.approx(beta / (alpha + 1.2 * beta), abs=3e-3)


def test_recipe_lists_every_value_of_what_differs(record):
    first, second = record("a", 10**4, 10**6, 2.0), record("b", 10**4, 10**6, 2.0)
    second.config["optim"] = {"lr": 0.02, "beta2": 0.95}
    assert "optim.lr = 0.01 | 0.02; optim.beta2 = 0.95" in recipe_text([first, second])
    assert recipe_text([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.1235"), (82000.0, "82,000"), (3.0e12, "3×10¹²"), (9.98e10, "9.98×10¹⁰"), (2e-9, "2×10⁻⁹"), (0, "0")],
)
def test_numbers_are_written_for_readers(value, text):
    assert number(value) == text


def test_unknown_numbers_are_a_dash():
    assert number(None) == number(np.nan) == "–"


def test_the_count_is_named_on_the_page(make_sweep, record, no_figures):
    text = write_report(make_sweep([record("run", 10**4, 10**6, 2.0)]), count="total").html.read_text()
    assert "N: parameters, with embedding;" in text
    assert "<td>20,000</td>" in text


def test_headline_prints_every_row_or_why_not(page, simulated_sweep, make_sweep, record, no_figures, capsys):
    print_headline(page[0])
    printed = capsys.readouterr().out
    for row in table_rows(page[0].analysis):
        assert row[1] in printed
    assert "skill" in printed
    assert "residuals of approach 3" in printed
    again = write_report(simulated_sweep, page[0].html.parent, resamples=60)
    assert again.unchanged
    print_headline(again)
    assert capsys.readouterr().out == printed
    print_headline(write_report(make_sweep([record("run", 10**4, 10**6, 2.0)])))
    assert capsys.readouterr().out.startswith("no law was fitted: ")


def test_the_law_a_sweep_names_stands_beside_approach_3(simulated_sweep, tmp_path, no_figures):
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    listed = json.loads((simulated_sweep / "sweep.json").read_text())
    (sweep / "sweep.json").write_text(json.dumps({**listed, "law": "tied"}))
    (tmp_path / "store").symlink_to(simulated_sweep.parent / "store")
    written = write_report(sweep, resamples=20)
    document = json.loads(written.summary_json.read_text())
    assert document["parametric"]["law"] == "chinchilla"
    assert list(document["beside"]) == [document["holdout"]["law"]] == ["tied"]
    assert document["beside"]["tied"]["params"].keys() == {"E", "A", "B", "alpha"}
    shown = written.html.read_text()
    assert "Approach 3: L(N,D) = E + A/N^alpha + B/D^beta" in shown
    assert "Tied: L(N,D) = E + A/N^alpha + B/D^alpha" in shown
    how = [row[3] for row in written.headline]
    assert how.index("law tied, beside approach 3") > how.index("approach 3, 5 points, 0 left out")
    assert [row[0] for row in written.headline if "nats per" in row[3]] == ["E", "E"]
    assert "residuals of tied" in " ".join(written.sentences)
