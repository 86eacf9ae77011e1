import json

import pytest

from scaling_harness.cli import main


def test_bench_coverage_prints_a_row_for_each_method(capsys):
    assert main(["bench", "coverage", "--scenarios=isoflop", "--methods=sandwich", "--sweeps=5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in rows} == {"sandwich"}
    assert all(row["sweeps"] == 5 for row in rows)


def test_bench_says_what_it_does_not_know(capsys):
    assert main(["bench", "coverage", "--scenarios=mars"]) == 2
    assert main(["bench", "fit", "--share=0"]) == 2
    assert main(["bench", "truth", "--sweeps=0"]) == 2
    assert "--share is 0.0" in capsys.readouterr().err


@pytest.mark.parametrize("scenario", ["hoffmann", "isoflop", "asymmetric"])
def test_bench_names_its_scenarios_in_the_help(capsys, scenario):
    with pytest.raises(SystemExit):
        main(["bench", "coverage", "--help"])
    assert scenario in capsys.readouterr().out
