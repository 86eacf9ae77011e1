"""`data prepare` and `data list`; public tables are tested with `analysis`."""

import json


def test_data_is_prepared_once_and_listed(tiny, call, capsys):
    assert call("data", "prepare", *tiny, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["vocab_size"] == 256
    assert call("data", "list", *tiny, "--json") == 0
    assert row["data_id"] in {listed["data_id"] for listed in json.loads(capsys.readouterr().out)}
