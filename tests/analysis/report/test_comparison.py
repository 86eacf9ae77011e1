import dataclasses
import json

import numpy as np
import pytest

from analysis.comparing.source_of_runs import source_of_runs
from analysis.fitting.result import UNUSABLE
from analysis.forecasting.source import open_source
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.report.comparison import write_comparison

BETTER = {"E": 1.1, "A": 30.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}


@pytest.fixture(scope="module")
def sources(simulated_sweep, tmp_path_factory):
    """A sweep, a table that does better, and a paper."""
    table = tmp_path_factory.mktemp("table") / "better.csv"
    simulate.isoflop(BETTER, np.geomspace(1e11, 1e13, 5), seeds=2).to_csv(table, index=False)
    sides = [source_of_runs(path, name, chinchilla) for path, name in ((simulated_sweep, "plain"), (table, "better"))]
    return [*sides, open_source("published:besiroglu2024")]


def test_a_page_says_what_may_be_said_and_what_not(sources, tmp_path):
    html = write_comparison(sources, tmp_path / "page.html")
    text, document = html.read_text(), json.loads((tmp_path / "page.json").read_text())
    assert "<title>plain, better and published:besiroglu2024 compared</title>" in text
    assert "<strong>They differ in count, vocab_size, n_ctx</strong>" in text
    factor = next(
        d for d in document["differences"] if d["quantity"].startswith("ln(C2/C1)") and d["second"] == "better"
    )
    assert factor["ci95"][1] < 0
    assert f"better needs {np.exp(factor['value']):.3g} [" in text
    assert document["train_flops"] == pytest.approx(3e12, rel=0.01)
    assert "Not compared: compute for equal loss of plain, published:besiroglu2024" in text
    assert "Common exponents were not tested: " in text
    a = document["laws"][1]["exponents"]["a"]
    assert f"{a['value']:.3f} [{a['ci95'][0]:.3f}, {a['ci95'][1]:.3f}]" in text
    assert "not of published:besiroglu2024." in text
    assert text.count("<svg") == 1


def test_recipes_that_differ_are_rows(sources, simulated_sweep, make_sweep, record, isoflop, tmp_path):
    records = []
    for i, run in enumerate(isoflop[isoflop.seed == 0].itertuples()):
        made = record(f"run{i}", round(run.N), round(run.D), run.L)
        records.append(dataclasses.replace(made, config={**made.config, "optim": {"lr": 0.02, "beta2": 0.95}}))
    other = source_of_runs(make_sweep(records), "other", chinchilla)
    text = write_comparison([sources[0], other, sources[1]], tmp_path / "page.html", 1e12).read_text()
    assert "<td>optim.lr</td><td>0.01</td><td>0.02</td><td>not known</td>" in text
    assert "<td>optim.beta2</td>" not in text


def test_a_fit_that_did_not_converge_stands_above_everything(sources, tmp_path):
    stuck = dataclasses.replace(sources[0], notes=(f"plain: {UNUSABLE}",))
    text = write_comparison([stuck, sources[1]], tmp_path / "page.html").read_text()
    assert text.index(f"<strong>plain: {UNUSABLE}</strong>") < text.index('id="answer"')


def test_sides_that_share_runs_are_told(sources, tmp_path):
    again = dataclasses.replace(sources[0], name="again")
    text = write_comparison([sources[0], again, sources[1]], tmp_path / "page.html").read_text()
    assert "plain and again have 135 runs in common" in text
    assert text.count("runs in common") == 1
