"""Hoffmann et al.'s figures and tables: published values, and runs of a known truth."""

import numpy as np
import pytest

from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.hoffmann2022 import hoffmann2022
from analysis.papers.hoffmann2022.counting import RATIOS_A4, SHAPES_A4, n_params, train_flops_per_token
from analysis.papers.hoffmann2022.evidence import Evidence
from analysis.papers.hoffmann2022.frontier import optimum
from analysis.papers.hoffmann2022.recipe import head_to_head
from analysis.papers.page import write_page
from scaling_harness.errors import HarnessError
from tests.analysis.conftest import TRUTH, make_record, write_sweep

A = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])


def figure(name):
    return hoffmann2022.figures_named([name])[0]


def table(name):
    return next(each for each in hoffmann2022.tables if each.name == name)


def loss_at(n_params, n_tokens):
    return TRUTH["E"] + TRUTH["A"] * n_params ** -TRUTH["alpha"] + TRUTH["B"] * n_tokens ** -TRUTH["beta"]


def curve_of(n_params, n_tokens, factor=1.0):
    tokens = np.geomspace(n_tokens / 100, n_tokens, 8)
    return [{"step": i, "tokens": t, "valid_loss": factor * loss_at(n_params, t)} for i, t in enumerate(tokens)]


def sweep_of(directory, cells):
    """Runs of (name, N, D, seed, factor on the loss, changes of the configuration)."""
    records, curves = [], {}
    for name, size, n_tokens, seed, factor, config in cells:
        plain = make_record(name, size, n_tokens, factor * loss_at(size, n_tokens), seed)
        records.append(
            make_record(name, size, n_tokens, factor * loss_at(size, n_tokens), seed, config=plain.config | config)
        )
        curves[name] = curve_of(size, n_tokens, factor)
    return write_sweep(directory, records, curves)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.papers.hoffmann2022.evidence.RESAMPLES", 60)
        yield


@pytest.fixture(scope="module")
def of_the_tier(simulated_sweep):
    return Evidence.of([simulated_sweep])


def test_flops_over_6nd_are_those_of_table_a4_without_the_vocabulary():
    ratios = [train_flops_per_token(*shape, vocabulary=False) / (6 * n_params(*shape)) for shape in SHAPES_A4]
    assert ratios == pytest.approx([1.026, 1.102, 1.084, 1.045, 1.033, 0.994], abs=5e-4)
    assert np.round(ratios, 2) == pytest.approx(RATIOS_A4, abs=0.005)
    smallest = SHAPES_A4[0]
    assert train_flops_per_token(*smallest, vocabulary=True) / (6 * n_params(*smallest)) == pytest.approx(
        1.58, abs=0.005
    )


def test_every_size_of_table_a9_comes_out(published_dir):
    rows = table("A9").table(None)
    assert len(rows) == 50
    assert max(abs(float(off[:-1])) for off in rows["off"]) <= 0.8


def test_the_papers_approach_3_gives_chinchilla_forty_billion_parameters():
    size, tokens = optimum(np.array([1e21, 5.76e23]))
    assert size == pytest.approx([2.215e9, 4.031e10], rel=1e-3)
    assert tokens / size == pytest.approx([33.98, 59.08], rel=1e-3)


def test_the_lines_of_table_3_are_its_own_6nd_and_some_twenty_tokens_a_parameter(published_dir, of_the_tier):
    rows = table("3").table(of_the_tier)
    printed = rows.loc[rows["whose"] == "printed"]
    assert (printed["FLOPs"].astype(float) / printed["6ND"].astype(float)).to_numpy() == pytest.approx(1, abs=0.05)
    assert printed["tokens per parameter"].astype(float).between(19.5, 22.5).all()


def test_tables_2_and_a3_have_ours_beside_the_printed(published_dir, of_the_tier):
    second = table("2").table(of_the_tier).set_index("approach")
    assert float(second.loc["2", "a, ours (95 %)"].split()[0]) == pytest.approx(A, abs=0.02)
    assert second.loc["3", "a, printed (80 %)"] == "0.46 [0.454, 0.455]"
    projected = table("A3").table(of_the_tier)
    its_own = projected.loc[(projected["approach"] == "3") & (projected["N"] == "175B")]
    assert float(its_own["FLOPs"].iloc[0]) == pytest.approx(1.43e25, rel=0.02)
    assert set(projected["approach"]) == {"2", "3"}


@pytest.mark.parametrize("name", ["1", "2", "3", "4"])
def test_a_figure_of_the_tier_shows_the_exponent_of_the_truth(of_the_tier, name):
    rows = figure(name).table(of_the_tier)
    found = figure(name).found(rows)
    assert found.endswith(".")
    if name in "34":
        exponent = found.split("a = ")[1][:4] if name == "3" else found.split("C^")[1][:4]
        assert float(exponent) == pytest.approx(A, abs=0.03)
    panels = [ax for ax in drawn(figure(name), rows).axes if ax.get_xlabel()]
    assert len(panels) == rows["panel"].nunique()


def test_thirds_of_a_straight_frontier_have_one_exponent(tmp_path):
    cells = [
        (f"{size:.0f}-{budget:.0f}", int(size), int(budget / 6 / size), 0, 1.0, {})
        for budget in np.geomspace(1e11, 1e13, 6)
        for size in np.geomspace(8e3, 4e5, 18)
    ]
    rows = figure("A5").table(Evidence.of([sweep_of(tmp_path, cells)]))
    said = figure("A5").found(rows)
    exponents = [float(part.split()[0]) for part in said.split("a = ")[1:]]
    assert exponents == pytest.approx([A] * len(exponents), abs=0.1)
    assert "no curvature is seen" in said
    drawn(figure("A5"), rows)
    bent = rows.assign(low=rows["low"] - (rows["series"].str.startswith("last")) * 9)
    bent["high"] -= rows["series"].str.startswith("last") * 9
    assert "it bends down, as in the paper" in figure("A5").found(bent)


def test_figure_a3_stands_beside_the_printed_projections(published_dir, of_the_tier):
    rows = figure("A3").table(of_the_tier)
    printed = rows.loc[rows["series"] == "approach 1, printed"]
    line = rows.loc[rows["series"] == "approach 1: 0.50"]
    on_line = np.exp(np.interp(np.log(printed["x"]), np.log(line["x"]), np.log(line["y"])))
    assert (printed["y"] / on_line).to_numpy() == pytest.approx(1, abs=0.08)


def test_a_longer_cosine_is_seen_at_the_length_from_which_it_costs(tmp_path):
    cost = {1.0: 0.0, 1.25: 0.0, 2.0: 0.02, 5.0: 0.05}
    noise = {1.0: (0, 0, 0), 1.25: (0.002, -0.002, 0.001), 2.0: (0.001, 0, -0.001), 5.0: (0.001, 0, -0.001)}
    cells = [
        (f"{cycle}-{seed}", 20_000, 512_000, seed, 1 + cost[cycle] + noise[cycle][seed], {"schedule": schedule})
        for cycle in cost
        for seed in range(3)
        for schedule in [{"kind": "cosine"} if cycle == 1 else {"kind": "cosine", "cycle": cycle}]
    ]
    evidence = Evidence.of([sweep_of(tmp_path, cells)])
    rows = figure("A1").table(evidence)
    assert "worse beyond noise from 2 times on, +5.0 % at 5 times" in figure("A1").found(rows)
    assert len(rows.loc[rows["panel"] == "curves", "series"].unique()) == 4
    drawn(figure("A1"), rows)


def test_head_to_head_pairs_seeds_and_says_who_wins(tmp_path):
    cells = [
        (f"{size}-{seed}", size, 4_096_000_000 // size, seed, 1 + 0.003 * seed, {})
        for size in (20_000, 80_000)
        for seed in (1, 0, 2)
    ]
    evidence = Evidence.of([sweep_of(tmp_path, cells)])
    rows = figure("A4").table(evidence)
    value, low, high = head_to_head(rows)
    truth = 100 * (loss_at(80_000, 51_200) / loss_at(20_000, 204_800) - 1)
    assert (value, low, high) == pytest.approx((truth,) * 3, rel=1e-6)
    assert f"{truth:.1f} % higher" in figure("A4").found(rows)
    with pytest.raises(HarnessError, match="1 models"):
        head_to_head(rows.loc[rows["x"] == rows["x"].max()].assign(panel="tokens"))


def test_weight_decay_that_helps_is_told_from_one_that_hurts(tmp_path):
    factors = {0.0: 1.0, 0.03: 0.99, 0.3: 1.02}
    cells = [
        (f"{decay}-{seed}", 20_000, 512_000, seed, factor + 0.0005 * seed * decay, {"optim": {"weight_decay": decay}})
        for decay, factor in factors.items()
        for seed in range(3)
    ]
    rows = figure("A6").table(Evidence.of([sweep_of(tmp_path, cells)]))
    said = figure("A6").found(rows)
    assert "better than Adam beyond noise in 1, worse in 1; the best is 0.03 (-1.00 %" in said
    late = rows.loc[(rows["series"] == "AdamW, decay 0.3") & (rows["panel"] == "along"), "y"]
    assert late.iloc[-1] == pytest.approx(2.0, abs=0.1)


def test_each_text_has_its_exponent_and_its_difference_to_the_first(simulated_sweep):
    evidence = Evidence.of([simulated_sweep] * 3)
    rows = table("A2").table(evidence).set_index("text")
    assert float(rows.loc["ours: code", "a"].split()[0]) == pytest.approx(A, abs=0.02)
    assert rows.loc["ours: code", "a less that of speeches"].startswith("+0.000 [-0.0")
    assert rows.loc["GitHub", "a"] == "0.53"
    found = figure("A2").found(figure("A2").table(evidence))
    assert "5 of 5 and 5 of 5 budgets" in found
    with pytest.raises(LackingRunsError, match="sweep run hoffmann/code"):
        figure("A2").table(Evidence.of([simulated_sweep]))


def test_the_page_says_of_each_sweep_that_is_not_trained_how_to_train_it(tmp_path):
    page = write_page(hoffmann2022, hoffmann2022.figures_named(["A1", "A6"]), {}.get, tmp_path).read_text()
    assert "Not trained: the sweep hoffmann/cosine-length: `scaling-harness sweep run hoffmann/cosine-length`." in page
    assert "Table A4" in page
    assert "1.102" in page
