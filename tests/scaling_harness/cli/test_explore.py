"""`explore`: the page of saved fits and published laws."""

import json
from pathlib import Path

import pytest


def test_explore_writes_a_page_of_fits_beside_published_laws(attempt, saved, tmp_path):
    assert attempt("explore") == (0, "explorer.html\n", "")
    code, out, _ = attempt("explore", *saved, "--out", tmp_path / "new" / "page.html", "--json")
    assert code == 0
    html = Path(json.loads(out)["html"]).read_text()
    assert '"name": "two.json"' in html
    assert '"name": "published:besiroglu2024"' in html


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("published:kaplan2020_ln",), "L(N) = A/N^alpha does not have one term in N and one in D; leave it out"),
        (("published:gadre2024",), "has exponents alone, and no N_opt for a budget: leave it out"),
        (("absent.json",), "cannot read absent.json"),
        (("--out", "."), "is a folder: name a file to write"),
    ],
)
def test_explore_refuses_what_it_cannot_show_or_write_in_a_sentence(attempt, words, sentence):
    code, _, err = attempt("explore", *words)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_explore_prints_first_that_a_fit_is_not_to_be_used(attempt, desk, tmp_path):
    document = json.loads((desk / "one.json").read_text())
    document |= {"status": "not converged", "warnings": ["not converged: do not use these parameters"]}
    (tmp_path / "bad.json").write_text(json.dumps(document))
    code, out, _ = attempt("explore", "bad.json")
    assert code == 0
    assert out.splitlines() == ["WARNING: bad.json: not converged: do not use these parameters", "explorer.html"]
