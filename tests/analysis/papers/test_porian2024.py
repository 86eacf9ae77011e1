"""Porian's five steps: from his points the printed exponents, from runs of a known law that law's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError, public_table
from analysis.papers.page import write_page
from analysis.papers.porian2024 import porian2024
from analysis.papers.porian2024.evidence import BUDGETS, Evidence
from analysis.papers.porian2024.steps import STEPS, changes, measured_steps, published_steps, published_value
from analysis.runs.selection import Runs
from scaling_harness.errors import UserError

E, A, B, ALPHA = 0.5, 60.0, 150.0, 0.4  # alpha = beta: N_opt ~ C^.5 with the head
LONG, WARMUP, NOISE = 2_650_112, 262_144, 0.001
WIDTHS = (4, 8, 12, 16, 24, 32, 48)


def with_head(width):
    return 24.0 * width**2 + 256 * width


def loss(n_params, tokens, warmup):
    """A warm-up costs half of its tokens, as far as they have been seen."""
    seen = np.where(tokens < warmup, tokens**2 / (2 * warmup), tokens - warmup / 2)
    return E + A / n_params**ALPHA + B / seen**ALPHA


def a_run(width, tokens, warmup, seed, **changes):
    n = with_head(width)
    row = {"N": n, "n_params_with_head": n, "n_params_non_embedding": 24.0 * width**2, "D": tokens, "seed": seed}
    kind = {
        "kind": "cosine",
        "warmup_unit": "tokens",
        "warmup": warmup,
        "beta2": 0.95,
        "batch_tokens": 1024,
        "lr": 8e-3,
    }
    late = 1 + NOISE * (-1) ** seed
    at = np.geomspace(1024, tokens, 200)
    curve = loss(n, at, warmup) * late * changes.pop("worse", 1.0)
    return {**row, **kind, "C": 6 * n * tokens, "L": curve[-1], "curve": (at, curve)} | changes


def evidence_of(runs):
    frame = pd.DataFrame([{k: v for k, v in run.items() if k != "curve"} for run in runs])
    return Evidence(Runs(frame, count="with_head"), {i: run["curve"] for i, run in enumerate(runs)})


@pytest.fixture(scope="module")
def evidence():
    runs = [a_run(w, LONG, WARMUP, seed) for w in WIDTHS for seed in (0, 1)]
    runs += [a_run(w, LONG, with_head(w), seed) for w in WIDTHS for seed in (0, 1)]
    cells = {(w, c / (6 * with_head(w))) for w in (*WIDTHS, 64) for c in BUDGETS}
    runs += [a_run(w, d, with_head(w), seed) for w, d in sorted(cells) if d < LONG for seed in (0, 1)]
    for rate, worse in ((0.002, 1.01), (0.004, 1.0), (0.008, 1.02)):
        runs += [
            a_run(w, LONG, with_head(w), 0, kind="constant", lr=rate, worse=worse, batch_tokens=128) for w in WIDTHS
        ]
    return evidence_of(runs)


def figure(name):
    return porian2024.figures_named([name])[0]


def test_the_steps_are_told_apart_and_each_has_the_exponent_of_its_truth(evidence):
    found = {each.step.number: each for each in measured_steps(evidence)}
    assert list(found) == [1, 2, 3, 4, 5]
    for number in (3, 4, 5):
        assert found[number].a.value == pytest.approx(0.5, abs=0.03)
        assert len(found[number].approach.points) == len(BUDGETS)
    assert found[1].a.value - found[2].a.value > 0.03  # the head, alone: the same runs
    assert found[2].a.value - found[3].a.value > 0.05  # the long warm-up
    assert changes(list(found.values()))[0].ci95[1] < 0


def test_the_best_settings_are_those_of_lowest_loss(evidence):
    assert set(evidence.best_settings["lr"]) == {0.004}
    assert not evidence.best_settings["edge"].any()
    assert len(evidence.tuned) == len(WIDTHS)
    assert "best of each size" in set(figure("tuning").table(evidence)["series"])


def test_without_a_second_seed_there_is_no_noise_and_so_no_exponent(evidence):
    single = Evidence(evidence.runs.where(evidence.runs.frame["seed"] == 0), evidence.curves)
    with pytest.raises(LackingRunsError, match="no size has two seeds"):
        measured_steps(single)


def test_a_part_of_the_runs_gives_its_steps_alone(evidence):
    matched = Evidence(evidence.runs.where(evidence.runs.frame["D"] < LONG), evidence.curves)
    assert {each.step.number for each in measured_steps(matched)} <= {3, 4}
    nothing = Evidence(evidence.runs.where(evidence.runs.frame["kind"] == "wsd"), evidence.curves)
    with pytest.raises(LackingRunsError, match="no finished run is of this step"):
        measured_steps(nothing)


@pytest.mark.parametrize("dataset", ["rw", "owt2"])
def test_the_authors_points_give_the_printed_exponents(published_dir, dataset):
    found = published_steps(public_table("porian2024"), dataset)
    for each in found:
        printed = published_value(each.step, dataset)
        assert printed.ci95[0] - 0.001 <= each.a.value <= printed.ci95[1] + 0.001
        assert each.a.ci95[0] < printed.value < each.a.ci95[1]
    assert found[-1].tokens_per_param[1] / found[-1].tokens_per_param[0] < 3


@pytest.mark.parametrize("each", [f for f in porian2024.figures if f.needs], ids=lambda f: f.name)
def test_a_figure_is_drawn_and_says_what_it_found(evidence, each):
    table = each.table(evidence)
    panels = [ax for ax in drawn(each, table).axes if ax.get_xlabel()]
    assert len(panels) == table["panel"].nunique()
    assert each.found(table).endswith(".")


def test_the_page_without_runs_says_what_to_train(tmp_path):
    html = write_page(porian2024, porian2024.figures, {}.get, tmp_path).read_text()
    assert "scaling-harness sweep run porian/steps" in html
    with pytest.raises(UserError, match=r"runs\.csv is a table"):
        Evidence.of([Path("runs.csv")])


def test_every_step_has_a_published_value():
    assert [published_value(step, "rw").value for step in STEPS] == [0.835, 0.706, 0.602, 0.571, 0.497]
    assert [published_value(step, "owt2").value for step in STEPS] == [0.864, 0.699, 0.603, 0.574, 0.518]
