import shutil
from pathlib import Path

import pytest

import analysis
from analysis.report import figures as report_figures
from analysis.report import made_from
from analysis.report.made_from import digest, unchanged
from analysis.report.write import write_report
from scaling_harness.record.atomic_files import write_json
from scaling_harness.record.record import METRICS_FILE, write_record


@pytest.fixture
def sweep(make_sweep, record, monkeypatch):
    """Three finished runs, too few for a law, and one that is not finished; one figure."""
    monkeypatch.setattr(report_figures, "CATALOGUE", report_figures.CATALOGUE[2:3])
    records = [record(f"run{i}", 10**4 * (i + 1), 10**6, 2.0) for i in range(3)]
    curve = [{"step": k, "tokens": 500.0 * k, "loss": 5 / k, "valid_loss": 5 / k} for k in range(1, 9)]
    return make_sweep(records, {made.run_id: curve for made in records}, unfinished=["other"])


def changed_record(sweep, record):
    write_record(sweep.parent / "store" / "run1", record("run1", 10**4, 10**6, 2.5))


def longer_curve(sweep, record):
    with (sweep.parent / "store" / "run1" / METRICS_FILE).open("a") as file:
        file.write('{"step": 9, "tokens": 4500.0, "loss": 0.5, "valid_loss": 0.5}\n')


def finished_run(sweep, record):
    write_record(sweep.parent / "store" / "other", record("other", 10**4, 10**6, 2.5))


def other_manifest(sweep, record):
    jobs = [{"job_id": "run1", "needs": [], "runs": [{"run_id": "run1"}]}]
    write_json(sweep / "sweep.json", {"schema_version": 1, "jobs": jobs})


@pytest.mark.parametrize("change", [changed_record, longer_curve, finished_run, other_manifest])
def test_other_runs_are_another_digest(sweep, record, change):
    before = digest(sweep, count="with_head")
    assert digest(sweep, count="with_head") == before
    change(sweep, record)
    assert digest(sweep, count="with_head") != before


def test_other_options_are_another_digest(sweep):
    assert digest(sweep, count="total") != digest(sweep, count="with_head")


def test_the_curve_of_an_unfinished_run_does_not_count(sweep):
    before = digest(sweep)
    (sweep.parent / "store" / "other").mkdir()
    (sweep.parent / "store" / "other" / METRICS_FILE).write_text('{"step": 1, "tokens": 500.0, "loss": 5.0}\n')
    assert digest(sweep) == before


@pytest.mark.parametrize("file", ["laws/law.py", "report/templates/report.html.j2", "report/templates/style.css"])
def test_changed_code_of_the_analysis_is_another_digest(sweep, tmp_path, monkeypatch, file):
    before = digest(sweep)
    copy = shutil.copytree(Path(analysis.__path__[0]), tmp_path / "analysis")
    monkeypatch.setattr(made_from, "_ANALYSIS", copy)
    assert digest(sweep) == before
    (copy / file).write_text((copy / file).read_text() + "\n")
    assert digest(sweep) != before


def test_a_table_is_known_by_its_content(tmp_path):
    table = tmp_path / "runs.csv"
    table.write_text("N,D,loss\n1,2,3\n")
    before = digest(table)
    table.write_text("N,D,loss\n1,2,4\n")
    assert digest(table) != before


def test_a_report_is_left_as_it_is_until_an_option_changes_or_a_file_is_gone(sweep):
    first = write_report(sweep)
    assert (first.unchanged, len(first.figures)) == (False, 3)
    before = {path: path.stat().st_mtime_ns for path in sweep.rglob("*") if path.is_file()}
    again = write_report(sweep)
    assert again.unchanged
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (again.html, again.figures, again.reason) == (first.html, first.figures, first.reason)
    first.figures[1].unlink()
    assert not write_report(sweep).unchanged
    assert first.figures[1].exists()
    assert not write_report(sweep, count="total").unchanged


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"made_from": {"digest": "x"}}'])
def test_a_summary_without_a_digest_is_not_relied_on(tmp_path, text):
    (tmp_path / "summary.json").write_text(text)
    assert unchanged(tmp_path / "summary.json", "x") is None
    assert unchanged(tmp_path / "nothing.json", "x") is None
