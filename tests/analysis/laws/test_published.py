import re

import numpy as np
import pandas as pd
import pytest

from analysis.laws.law import derive
from analysis.laws.published import PF_DAY, PUBLISHED
from analysis.laws.registry import LAWS


@pytest.mark.parametrize("entry", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_every_entry_says_what_its_n_is_and_where_it_is_from(entry):
    assert re.search(r" 20[12]\d, ", entry.source)
    assert entry.n_convention in ("non_embedding", "with_head", "total")
    assert entry.law is None or set(entry.params) == set(LAWS[entry.law].params)
    assert len(entry.precision.split()) > 1
    assert "loss nats per token" in entry.units


@pytest.mark.parametrize(("key", "printed"), [("besiroglu2024", 0.5126), ("hoffmann2022", 0.4565)])
def test_constants_give_the_exponent_printed_beside_them(key, printed):
    entry = PUBLISHED[key]
    assert derive(LAWS[entry.law], entry.params)["a"] == pytest.approx(printed, abs=1e-4)
    assert entry.a == printed


def test_standard_errors_bootstrapped_beside_printed_ones_are_named():
    """Besiroglu et al. 2024 print one digit: .03, .02, .02; `test_fit` bootstraps the others."""
    entry = PUBLISHED["besiroglu2024"]
    printed = {"E": 0.03, "alpha": 0.02, "beta": 0.02}
    assert {name: round(entry.stderr[name], 2) for name in printed} == printed
    assert "bootstrapped from its data (printed: .03, .02, .02)" in entry.note


def test_rounded_exponents_do_not_give_the_printed_one():
    entry = PUBLISHED["hoffmann2022_rounded"]
    assert derive(LAWS["chinchilla"], entry.params)["a"] == pytest.approx(0.4516, abs=1e-4)


def test_kaplans_constants_predict_one_nat_at_their_scale():
    for key, scale in {"kaplan2020_ln": 8.8e13, "kaplan2020_ld": 5.4e13, "kaplan2020_lc": 1.6e7 * 8.64e19}.items():
        entry = PUBLISHED[key]
        law = LAWS[entry.law]
        np.testing.assert_allclose(law.predict(entry.params, **{law.inputs[0]: scale}), 1.0)


def test_kaplans_law_of_the_least_compute_is_in_petaflop_days():
    entry = PUBLISHED["kaplan2020_lc_min"]
    law = LAWS[entry.law]
    for pf_days in (1.0, 1e3, 3.1e8):
        assert float(law.predict(entry.params, C=pf_days * 8.64e19)) == pytest.approx((3.1e8 / pf_days) ** 0.050)


def test_deepseeks_two_coefficients_spend_the_budget():
    entry = PUBLISHED["deepseek2024"]
    assert 6 * entry.n_opt_coefficient * entry.d_opt_coefficient == pytest.approx(1, abs=2e-4)
    assert entry.a + entry.b == pytest.approx(1)


def test_llamas_rounded_digits_miss_the_tokens_printed_beside_them():
    entry = PUBLISHED["llama3_2024"]
    assert entry.d_opt_coefficient * 3.8e25**entry.b == pytest.approx(1.05e13, rel=0.01)


def test_muennighoffs_formula_gives_the_authors_own_check_value():
    entry = PUBLISHED["muennighoff2023"]
    loss = LAWS[entry.law].predict(entry.params, N=6.34e9, D=242e9, U=25e9)
    assert loss == pytest.approx(2.2256440889984477, rel=2e-7)


def test_kaplans_table_6_gives_its_own_sizes_at_one_petaflop_day():
    entry = PUBLISHED["kaplan2020"]
    assert entry.n_opt_coefficient * PF_DAY**entry.a == pytest.approx(1.3e9)
    assert entry.d_opt_coefficient * PF_DAY**entry.b == pytest.approx(2e10)


def test_minimising_kaplans_l_n_d_alone_does_not_give_his_exponent():
    entry = PUBLISHED["kaplan2020_ln_d"]
    assert derive(LAWS[entry.law], entry.params)["a"] == pytest.approx(0.575, abs=1e-3)
    assert derive(LAWS[entry.law], entry.params)["alpha_N"] == pytest.approx(0.076)


def test_the_ladder_is_that_of_the_published_table(published_dir):
    table = pd.read_csv(published_dir / "porian_published_exponents.csv").dropna(subset="step")
    found = {(round(row.a_weighted, 3), round(row.a_ci_lo, 3), round(row.a_ci_hi, 3)) for row in table.itertuples()}
    assert {(e.a, *e.a_ci) for key, e in PUBLISHED.items() if key.startswith("porian")} == found


def test_all_papers_of_the_registry_are_there():
    papers = ("kaplan", "hoffmann", "besiroglu", "porian", "pearce", "gadre", "muennighoff", "gemstones")
    papers += ("deepseek", "llama3_")
    assert {key.split("2")[0] for key in PUBLISHED} == set(papers)
