"""`compare`: fits side by side."""

import json

from tests.analysis.simulated_table import write_table


def test_comparisons_name_differences_and_test_a_common_exponent(attempt, saved):
    code, out, _ = attempt("compare", *saved, "published:kaplan2020", "--flops", "1e12", "--json")
    assert code == 0
    found = json.loads(out)
    quantities = {row["quantity"] for row in found["differences"]}
    at_budget = {"ln(C2/C1) at 1e+12 FLOP", "nats off by twice C at 1e+12 FLOP"}
    assert {"a", "b", "alpha", "beta"} | at_budget == quantities
    assert any("count (total against non_embedding)" in sentence for sentence in found["warnings"])
    code, out, _ = attempt("compare", *saved, "--common")
    assert code == 0
    assert "common exponents (alpha 0." in out
    assert "not refuted" in out


def test_a_common_exponent_needs_the_runs_as_they_were(attempt, saved, desk):
    before = (desk / "two.csv").read_bytes()
    write_table(desk / "two.csv", seed=5)
    code, _, err = attempt("compare", *saved, "--common")
    (desk / "two.csv").write_bytes(before)
    assert code == 1
    assert "the runs of two.json have changed" in err
    code, _, err = attempt("compare", saved[0], "published:besiroglu2024", "--common")
    assert code == 2
    assert "published constants have no runs" in err
