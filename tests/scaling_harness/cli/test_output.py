from scaling_harness.cli._output import print_dropped


def test_runs_left_out_for_one_reason_are_one_line(capsys):
    print_dropped(
        [{"run": "late", "reason": "not finished"}, *({"run": f"row {i}", "reason": "a copy"} for i in range(10))]
    )
    assert capsys.readouterr().err.splitlines() == [
        "left out: late: not finished",
        "left out: row 0, row 1, row 2, row 3, row 4, row 5, row 6, row 7 and 2 more: a copy",
    ]
