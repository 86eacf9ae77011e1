"""Best sizes, regions and exponents from runs of a known learning curve."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.laws.learning_curve import boundaries, bounded
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.hestness2017 import figures, hestness2017, regions
from analysis.papers.hestness2017.evidence import Evidence, size_law
from analysis.papers.hestness2017.figures import of_domains, of_one_text
from analysis.papers.hestness2017.regions import regions_of
from analysis.papers.page import write_page
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.record import BestCheckpoint, EvalLoss
from tests.analysis.conftest import make_record, write_sweep

CURVE = {"E": 1.2, "L_0": 5.0, "D_0": 2e3, "beta": 0.6}
BETA_P = 0.7
TOKENS = np.geomspace(64, 1e6, 12).astype(int)
SIZES = (1_000, 4_000, 16_000, 64_000, 256_000)
N_STEPS = 200


def record(name, domain, optim, n_params, D, factor=1.0, entropy=None, best_step=50):
    """A run on D distinct tokens: the curve, times a parabola about the best size 40 D^.7, times noise of .3 %."""
    noise = 1 + 0.003 * np.random.default_rng([int(D), n_params]).standard_normal()
    loss = float((1.2 + factor * (bounded(CURVE, D) - 1.2)) * noise)
    loss *= float(np.exp(0.004 * np.log(n_params / (40 * D**BETA_P)) ** 2))
    made = make_record(name, n_params, 512 * N_STEPS * 20, loss + 0.1)
    losses = {"valid": EvalLoss(loss, 0.001, 4096, entropy_nats=entropy)}
    return replace(
        made,
        n_steps=N_STEPS,
        n_unique_tokens=int(D),
        config={**made.config, "optim": {"lr": 0.01, **optim}},
        data=made.data | {"label": domain},
        best=BestCheckpoint(best_step, 512 * best_step, losses),
    )


def sweep(directory, records):
    return Evidence.of([write_sweep(directory, records)])


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    records = [record(f"{n}-{D}", "sotu", {}, n, D) for D in TOKENS for n in SIZES]
    records += [record(f"rms-{n}-{D}", "sotu", {"beta1": 0.0}, n, D, 1.3) for D in TOKENS[3:9] for n in SIZES]
    records += [
        record(f"sign-{D}", "sotu", {"beta1": 0.0, "beta2": 0.0}, 64_000, D, 1.5) for D in TOKENS[3:5]
    ]  # too few
    records += [record(f"g-{D}", "grammar", {}, n, D, 0.5, 1.2) for D in TOKENS for n in SIZES[:1]]
    return sweep(tmp_path_factory.mktemp("hestness"), records)


def figure(name):
    return hestness2017.figures_named([name])[0]


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(regions, "RESAMPLES", 12)


def test_the_best_sizes_grow_by_the_power_of_the_truth(evidence):
    law = size_law(evidence.curve("speeches"))
    assert law.beta_p.value == pytest.approx(BETA_P, abs=0.1)
    assert law.beta_p.ci95[0] < BETA_P < law.beta_p.ci95[1]
    outside = evidence.curve("speeches").query("~inside")
    assert set(outside["why"].str.split(" is the best").str[0]) <= {"the smallest size", "the largest size"}
    with pytest.raises(LackingRunsError, match="beta_p needs 3: 1 sizes: a best one needs 4"):
        size_law(evidence.curve("grammar"))


def test_the_regions_that_were_planted_are_found(evidence):
    found = regions_of(evidence.curve("speeches"))
    first, last = boundaries(CURVE)
    assert found.first.value == pytest.approx(first, rel=0.3)
    assert found.last.value == pytest.approx(last, rel=0.5)
    assert found.beta.value == pytest.approx(0.6, abs=0.06)
    assert found.n_guessing >= 2
    assert found.n_irreducible >= 2
    assert "guessing up to D =" in found.sentence()
    middle = evidence.curve("speeches").iloc[1:9]
    assert "no irreducible region: 0 sizes" in regions.detect_regions(middle, 5.545, 1.2).sentence()


def test_a_curve_without_three_regions_is_drawn_with_that_sentence(evidence, monkeypatch):
    monkeypatch.setattr(regions, "MIN_IN_POWER_LAW", 100)
    table = figure("regions").table(evidence)
    assert set(table["kind"]) == {"points", "paper"}
    assert "no three regions can be told apart" in figure("regions").found(table)


def test_a_limit_that_ran_to_zero_is_not_drawn(evidence, monkeypatch):
    found = regions_of(evidence.curve("speeches"))
    nothing = replace(found, params={**found.params, "E": 1e-11})
    monkeypatch.setattr(figures, "regions_of", lambda _: nothing)
    series = figure("regions").table(evidence)["series"]
    assert not series.str.startswith("irreducible loss").any()


def test_too_few_sizes_of_a_region_are_a_sentence(evidence):
    curve = evidence.curve("speeches")
    with pytest.raises(HarnessError, match="three regions need 6 data sizes: there are 5"):
        regions.detect_regions(curve.iloc[:5], 5.545)
    D = np.array([1.0, 2, 3, 1e8, 2e8, 3e8])
    step = pd.DataFrame({"D": D, "L": np.where(D < 10, 5.0, 1.0)})
    with pytest.raises(HarnessError, match="the power-law region needs 3"):
        regions.detect_regions(step, 5.545, 0.9)


def test_runs_still_falling_at_their_last_step_are_left_out(tmp_path):
    records = [record(f"{n}-{D}", "sotu", {}, n, D) for D in TOKENS[:7] for n in SIZES[:4]]
    records += [record(f"{n}", "sotu", {}, n, TOKENS[8], best_step=N_STEPS) for n in SIZES[:4]]
    evidence = sweep(tmp_path, records)
    assert len(evidence.curve("speeches")) == 8
    assert len(evidence.limited_by_data("speeches")) == 7
    table = figure("regions").table(evidence)
    assert "left out, as the best run was still falling at its last step: 1 of" in figure("regions").found(table)
    every = sweep(tmp_path / "all", [record("a", "sotu", {}, 1000, 99, best_step=N_STEPS)])
    with pytest.raises(LackingRunsError, match="still falling when its steps ended: train longer"):
        every.limited_by_data("speeches")


def test_optimisers_and_domains_are_tested(evidence):
    with pytest.raises(HarnessError, match="has 2 data sizes: an exponent needs 3"):
        of_one_text(evidence)
    two = Evidence(evidence.frame.query("optimiser != 'sign descent'"))
    found = of_one_text(two)
    assert list(found.exponents) == ["transformer, Adam", "transformer, RMSProp"]
    (same,) = found.differences()  # planted: 1.3 times the reducible loss, over the same data sizes
    assert abs(same.value) < 0.02
    assert same.verdict != "different"
    assert of_domains(two).limits["grammar"] == 1.2
    with pytest.raises(LackingRunsError, match="all runs are of one domain, grammar"):
        of_domains(Evidence(two.frame.query("domain == 'grammar'")))
    with pytest.raises(LackingRunsError, match="of one architecture and optimiser, transformer, Adam"):
        of_one_text(Evidence(two.frame.query("optimiser == 'Adam'")))
    for table in hestness2017.tables:
        cells = table.table(two)
        assert set(cells["verdict"][:-1]) <= {"equal", "different", "not known"}
        assert cells["verdict"].iloc[-1].startswith("of 1 pairs")


@pytest.mark.parametrize("name", ["sizes", "regions", "architectures", "domains"])
def test_a_figure_is_drawn_and_says_what_it_found(evidence, name):
    two = Evidence(evidence.frame.query("optimiser != 'sign descent'"))
    table = figure(name).table(two)
    assert drawn(figure(name), table).axes
    assert figure(name).found(table).endswith(".")


def test_the_page_says_what_is_not_trained(tmp_path):
    write_page(hestness2017, hestness2017.figures, {}.get, tmp_path)
    document = json.loads((tmp_path / "page.json").read_text())
    assert "sweep run hestness/text" in document["figures"][0]["reason"]
    with pytest.raises(UserError, match="need the records of sweeps"):
        Evidence.of([])
