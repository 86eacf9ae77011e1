import pytest

from analysis.report.provenance import code_and_data

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
    assert code_and_data([record("r", 1000, 512, 3.0, provenance=made)]).startswith(said)
