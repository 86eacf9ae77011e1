from scaling_harness.record.row_times import TIMES_FILE, TimesLog, read_marks, time_of


def test_rows_lie_between_the_writes_that_they_came_with(tmp_path):
    (tmp_path / TIMES_FILE).write_text("0 1000.000\n100 1010.000\n200 1011.000\n")
    marks = read_marks(tmp_path / "metrics.jsonl")
    assert [time_of(marks, n_bytes) for n_bytes in (50, 100, 150, 200, 300)] == [1005, 1010, 1010.5, 1011, 1011]


def test_a_pause_before_a_resumption_is_in_no_row(tmp_path):
    (tmp_path / TIMES_FILE).write_text("0 1000.0\n100 1010.0\n200 1020.0\n\n100 5000.0\n200 5010.0\n")
    marks = read_marks(tmp_path / "metrics.jsonl")
    assert [time_of(marks, n_bytes) for n_bytes in (50, 100, 150, 200)] == [1005, 1010, 5005, 5010]


def test_time_never_runs_back_and_torn_lines_are_passed_over(tmp_path):
    (tmp_path / TIMES_FILE).write_text("0 1000.0\n100 900.0\n20\n\n200 1020.0\n3x 7\n")
    assert read_marks(tmp_path / "metrics.jsonl") == [(0, 1000), (100, 1000), (200, 1020)]


def test_a_torn_line_is_ended_before_more_is_noted(tmp_path):
    curve = tmp_path / "metrics.jsonl"
    (tmp_path / TIMES_FILE).write_text("0 1000.000\n12")
    log = TimesLog(curve, 7)
    log.note(9)
    log.close()
    assert [n_bytes for n_bytes, _ in read_marks(curve)] == [0, 7, 9]


def test_a_run_of_an_earlier_version_has_no_times(tmp_path):
    assert read_marks(tmp_path / "metrics.jsonl") == []
    assert time_of([], 10) is None
