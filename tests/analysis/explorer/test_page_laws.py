"""What the page is told of laws is what the laws say."""

import dataclasses
import json

import numpy as np
import pytest

from analysis.explorer.page_laws import one_form, page_laws
from analysis.fitting.fit import fit
from analysis.forecasting.source import from_fit, open_source
from analysis.laws import simulate
from analysis.laws.published import PUBLISHED
from analysis.laws.registry import LAWS
from analysis.runs.selection import Runs
from scaling_harness.errors import UserError

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.36, "beta": 0.36}


@pytest.fixture(scope="module")
def source():
    frame = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, 4), n_sizes=7, seeds=1)
    return from_fit(fit("tied", Runs(frame), resamples=5), "mine.json")


def test_published_laws_with_an_optimum_and_no_others():
    laws = {law["name"]: law for law in page_laws(())}
    assert {name for name, law in laws.items() if law["shown"]} == {
        "published:hoffmann2022",
        "published:besiroglu2024",
        "published:kaplan2020",
    }
    assert laws["published:besiroglu2024"]["params"] == {**PUBLISHED["besiroglu2024"].params, "k": 1.0}
    assert laws["published:kaplan2020"]["line"]["a"] == 0.73
    assert "params" not in laws["published:kaplan2020"]
    assert "R_N" in laws["published:muennighoff2023"]["params"]
    assert not laws.keys() & {"published:kaplan2020_ln_s", "published:hoffmann2022_approach1", "published:gadre2024"}


@pytest.mark.parametrize("key", [key for key, entry in PUBLISHED.items() if entry.law in ("chinchilla", "kaplan_ln_d")])
def test_the_one_form_predicts_what_the_law_does(key):
    entry = PUBLISHED[key]
    p = one_form(LAWS[entry.law], entry.params)
    told = p["E"] + (p["A"] * 1e9 ** -p["alpha"] + p["B"] * 2e10 ** -p["beta"]) ** p["k"]
    assert told == pytest.approx(float(LAWS[entry.law].predict(entry.params, N=1e9, D=2e10)), rel=1e-12)


def test_a_fit_stands_first_with_its_resamples_and_fits_into_json(source):
    first, *rest = page_laws([source])
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    assert (first["name"], first["shown"], first["count"], first["unit"]) == ("mine.json", True, None, "token")
    assert set(first["draws"]) == {"E", "A", "B", "alpha", "beta", "k"}
    assert first["draws"]["beta"] == list(source.draws["alpha"])
    assert first["draws"]["k"] == [1.0] * 5
    assert first["ranges"]["C"] == list(source.input_ranges["C"])
    assert [law["name"] for law in rest if law["shown"]] == ["published:besiroglu2024"]


def test_a_published_law_that_is_named_is_there_once():
    names = [law["name"] for law in page_laws([open_source("published:llama3_2024")])]
    assert names[0] == "published:llama3_2024"
    assert len(names) == len(set(names))


def test_a_fit_that_did_not_converge_is_marked(source):
    bad = dataclasses.replace(source, notes=("mine.json: not converged: do not use these parameters",))
    assert [law["name"] for law in page_laws([bad]) if law["unusable"]] == ["mine.json"]


@pytest.mark.parametrize("name", ["kaplan2020_ln", "kaplan2020_ln_s", "gadre2024"])
def test_a_law_without_a_best_size_is_refused_in_a_sentence(name):
    with pytest.raises(UserError, match=f"^published:{name} has .* for a budget.*leave it out$"):
        page_laws([open_source(f"published:{name}")])
