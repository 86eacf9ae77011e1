"""R_D* from runs of a known law, and what repeats are worth by the published one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.laws.muennighoff import muennighoff, size_of_equal_loss, tokens_of_loss, tokens_worth
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.muennighoff2023 import PAPER, Evidence, authors_runs, muennighoff2023, still_falling
from analysis.papers.page import write_page
from analysis.runs.public_tables import ENVIRONMENT
from scaling_harness.errors import UserError
from tests.analysis.conftest import make_record, write_sweep

TRUTH = {"E": 0.7, "A": 30.0, "B": 60.0, "alpha": 0.3, "R_D": 12.0, "R_N": 6.0}


@pytest.fixture(scope="module")
def evidence():
    cells = [(n, u * e, u) for n in (1e4, 3e4, 7e4) for u in (6e4, 2.5e5, 1e6) for e in (1, 2, 4, 8, 16, 32)]
    cells += [(n, d, d) for n in (1e4, 2e4, 4e4, 8e4) for d in (2e5, 5e5, 2e6)]
    frame = pd.DataFrame(cells, columns=["N", "D", "U"])
    noise = 1 + 0.002 * np.random.default_rng(0).standard_normal(len(frame))
    return Evidence(frame.assign(L=muennighoff.predict(TRUTH, **{x: frame[x] for x in "NDU"}) * noise), "byte")


def figure(name):
    return muennighoff2023.figures_named([name])[0]


def test_the_repeats_that_a_token_is_worth_are_recovered(evidence):
    law = evidence.law
    assert law.values["R_D"] == pytest.approx(TRUTH["R_D"], rel=0.1)
    assert law.params["R_D"].ci95[0] < TRUTH["R_D"] < law.params["R_D"].ci95[1]
    unique = Evidence(evidence.frame.loc[evidence.frame["D"] == evidence.frame["U"]], "byte")
    with pytest.raises(LackingRunsError, match="0 runs saw tokens more than once"):
        _ = unique.law


def test_what_losses_are_worth_lies_on_the_curve_of_the_law(evidence):
    table = figure("effective").table(evidence)
    points, law = table.loc[table["kind"] == "points"], table.loc[table["kind"] == "fit"]
    off = np.log(points["y"] / np.interp(points["x"], law["x"], law["y"]))
    assert np.abs(off).median() < 0.03
    assert "16 epochs" in figure("effective").found(table)


@pytest.mark.parametrize("name", ["epochs", "effective", "hernandez"])
def test_a_figure_is_drawn_and_says_what_it_found(evidence, name):
    table = figure(name).table(evidence)
    drawn(figure(name), table)
    assert figure(name).found(table).endswith(".")


def test_a_tenth_of_repeats_costs_no_more_than_a_tenth_by_the_law():
    """Hernandez et al. 2022, abstract: half of 800M parameters; the law has no harm beyond the lost data."""
    assert tokens_worth(PAPER, 1.0, 0.1, [1, 2, 1e9]) == pytest.approx(
        [1, 0.9 + 0.05 * (1 + 15.387756 * 0.06292), 0.9], abs=1e-4
    )
    left = size_of_equal_loss(PAPER, 8e8, 1e11, tokens_worth(PAPER, 1e11, 0.1, 100))
    assert 0.9 < float(left) / 8e8 < 1
    assert float(size_of_equal_loss(PAPER, 8e8, 1e11, 1e11)) == pytest.approx(8e8)
    assert np.isnan(size_of_equal_loss({**PAPER, "A": 1e-9}, 8e8, 1e9, 1e12))


def test_tokens_are_read_back_from_a_loss():
    loss = PAPER["E"] + PAPER["A"] * 1e9 ** -PAPER["alpha"] + PAPER["B"] * 3e10 ** -PAPER["alpha"]
    assert float(tokens_of_loss(PAPER, 1e9, loss)) == pytest.approx(3e10)
    assert np.isinf(tokens_of_loss(PAPER, 1e9, PAPER["E"]))


def test_runs_that_rise_again_are_told_from_those_that_fall():
    frame = pd.DataFrame({"N": 1.0, "U": 1.0, "D": [4.0, 1, 2, 8], "L": [2.5, 3, 2.4, 2.3]})
    assert still_falling(frame)["D"].tolist() == [1, 2, 8]


def test_the_authors_runs_leave_the_law_where_they_rise(published_dir):
    runs = authors_runs()
    assert len(runs) == 296
    assert len(still_falling(runs)) == 197
    said = figure("epochs-published").found(figure("epochs-published").table(None))
    assert "N = 2.81B: the law misses by" in said


def test_the_page_without_runs_says_what_to_train(tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)  # without the table of fits, which takes seconds
    html = write_page(
        muennighoff2023, muennighoff2023.figures_named(["epochs", "hernandez"]), {}.get, tmp_path
    ).read_text()
    assert "scaling-harness sweep run muennighoff/epochs" in html
    assert "15.387756" in html
    with pytest.raises(UserError, match="records of sweeps"):
        Evidence.of([Path("runs.csv")])


def test_repeats_are_set_beside_unique_tokens_and_beside_fewer_of_them(tmp_path):
    records = []
    for seed in (0, 1):
        factor = 1 + 0.01 * seed
        records += [
            make_record(f"u{d}{seed}", 20_000, d, loss * factor, seed) for d, loss in ((10**6, 2.0), (9 * 10**5, 2.02))
        ]
        for few, loss in ((25_000, 2.02), (1_000, 2.06)):
            changes = {"fraction": 0.1, "n_repeated_tokens": few, "kind": "repeated", "data_id": "abc"}
            config = records[0].config | {"data": changes, "seed": seed}
            records.append(make_record(f"r{few}{seed}", 20_000, 10**6, loss * factor, seed, config=config))
    found = figure("repeated")
    evidence = muennighoff2023.read([write_sweep(tmp_path, records, {})])
    table = found.table(evidence)
    points = table.loc[table["kind"] == "points"].set_index("x")["y"]
    assert points.round(6).to_dict() == {4.0: 1.0, 100.0: 3.0}
    assert found.found(table).startswith(
        "10% as repeats costs at most +3.0 % [3.0, 3.0], seen 100 times (+1.0 % without them)"
    )
    drawn(found, table)
    with pytest.raises(LackingRunsError, match=r"no run with a repeated part .* muennighoff/hernandez"):
        found.table(muennighoff2023.read([write_sweep(tmp_path / "plain", records[:2], {})]))
