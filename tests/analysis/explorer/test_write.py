"""The page is one file that needs nothing else."""

import dataclasses
import json
import re

import pytest

from analysis.explorer.write import write_explorer
from analysis.forecasting.source import open_source
from scaling_harness.errors import UserError


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    path = write_explorer(tmp_path_factory.mktemp("page") / "explorer.html", [open_source("published:llama3_2024")])
    return path.read_text()


def test_one_small_file_with_its_licences_and_no_address_to_load_from(html):
    assert len(html) < 3_000_000
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=(?!\"data:)", html)
    assert html.count("Permission to use, copy, modify, and/or distribute this software") == 2
    assert "{{" not in html.split("<script")[0]


def test_the_data_of_the_page_is_json_with_the_laws_and_the_toy(html):
    document = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html)[1])
    assert set(document) == {"laws", "toy", "tau"}
    assert document["laws"][0]["name"] == "published:llama3_2024"


def test_a_name_cannot_break_out_of_the_page(tmp_path):
    source = dataclasses.replace(open_source("published:hoffmann2022"), name="</script><b>", published=False)
    html = write_explorer(tmp_path / "e.html", [source]).read_text()
    assert "</script><b>" not in html


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError, match=r"is a folder: name a file to write, such as .*explorer\.html"):
        write_explorer(tmp_path)
