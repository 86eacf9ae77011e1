import pandas as pd
import pytest

from analysis.figures.style import Labels
from analysis.report.provenance import checklist
from analysis.runs.selection import Runs

INSTALLED = {"code": "rooms-0123456789ab", "commit": None, "dirty": True, "versions": {"scaling-harness": "0.1.0"}}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"commit": "f" * 40, "dirty": False}, "commit ffffffffff; "),
        (INSTALLED, "version 0.1.0, code rooms-0123456789ab (dirty); "),
        ({"commit": None}, "version None, code unknown; "),
    ],
)
def test_the_code_of_runs_is_a_commit_or_an_installed_version(made, said, record):
    runs = Runs(pd.DataFrame({"N": [1.0]}))
    table = checklist(None, runs, [record("r", 1000, 512, 3.0, provenance=made)], Labels())
    (row,) = [row for row in table.rows if row[0] == "code and data"]
    assert row[1].startswith(said)
