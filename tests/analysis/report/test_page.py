import base64

import pandas as pd

from analysis.report import page
from analysis.report.page import csv_link, csv_text, render, write_and_link


def test_numbers_are_looked_up_and_marked():
    document = {"answer": {"a": {"value": 0.45574, "ci95": [0.43326, 0.47714]}, "G": {"value": 1.2, "ci95": None}}}
    text = render("base.html.j2", document, title="A <b>", banner=[("incomplete", "one & two")], question=None)
    assert "<title>A &lt;b&gt;</title>" in text
    assert "<p><strong>incomplete</strong>: one &amp; two.</p>" in text
    shown = '<data data-path="answer.a" value="0.45574">0.456 [0.433, 0.477]</data>'
    assert shown in rendered('{{ interval("answer.a", ".3f") }}', document)
    assert ">1.2</data>" in rendered('{{ value("answer.G", 3) }}', document)
    assert ">1.2</data>" in rendered('{{ interval("answer.G", 3) }}', document)


def rendered(source, document):
    import jinja2

    shown = {"value": page._shower(document, page._value), "interval": page._shower(document, page._interval)}
    return jinja2.Template(source, autoescape=True).render(shown)


def test_a_table_travels_in_a_link():
    link = csv_link(csv_text(pd.DataFrame({"n": [1, 2], "x": [0.123456789, None]})))
    head, _, data = link.partition(",")
    assert head == "data:text/csv;base64"
    assert base64.b64decode(data).decode() == "n,x\n1,0.123457\n2,\n"


def test_a_large_table_lies_beside_its_page(tmp_path, monkeypatch):
    file = tmp_path / "figures" / "a.csv"
    assert write_and_link("n\n1\n", file, tmp_path) == csv_link("n\n1\n")
    monkeypatch.setattr(page, "MOST_CSV", 3)
    assert write_and_link("n\n1\n", file, tmp_path) == "figures/a.csv"
    assert file.read_text() == "n\n1\n"
