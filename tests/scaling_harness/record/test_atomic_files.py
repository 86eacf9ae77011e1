import errno
from pathlib import Path

import pytest

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.atomic_files import (
    explain_os_errors,
    parse_json,
    read_jsonl,
    rows_with_fields,
    write_atomically,
    write_json,
    write_text,
)


def test_rows_with_a_field_are_read_without_the_others_unless_a_line_is_damaged():
    lines = [b'{"step": 1, "loss": 5.0}', b'{"step": 1, "valid_loss": 4.0}', b'{"step": 2, "why": "valid_loss"}']
    whole = b"".join(line + b"\n" for line in lines)
    assert rows_with_fields(whole, ("valid_loss", "grad_sq")) == [[{"step": 1, "valid_loss": 4.0}], []]
    cut_in_the_middle = whole.replace(b"5.0}", b"5.0")
    for damaged in (whole[:-3], whole + b'{"st', cut_in_the_middle, whole.replace(b": 4.0", b" 4.0"), b"", b"\n"):
        assert rows_with_fields(damaged, ("grad_sq", "valid_loss")) is None


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "record.json"
    target.write_text("old")

    def fail(file):
        file.write(b"half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_nan_is_refused_and_the_old_file_stays(tmp_path):
    write_json(tmp_path / "a.json", {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert "1.0" in (tmp_path / "a.json").read_text()


def test_torn_last_line_is_dropped_and_a_damaged_middle_is_said(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_jsonl(path) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_jsonl(path) == [{"step": 1}, {"step": 2}]
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(HarnessError, match="line 2"):
        read_jsonl(path)
    path.write_text('{"step": 1\n"tokens": 2}\n')  # whole, but not line by line
    with pytest.raises(HarnessError, match="line 1"):
        read_jsonl(path)


def test_half_a_surrogate_pair_is_read_as_it_was_written():
    assert parse_json('{"path": "\\udc80"}') == {"path": "\udc80"}
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000)


def test_a_file_where_a_directory_is_needed(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="a file stands where a directory is needed"):
        write_json(tmp_path / "runs" / "a.json", {})


def test_a_folder_that_cannot_be_made():
    with pytest.raises(UserError, match="cannot be made; choose another directory"):
        write_text(Path("/proc/nowhere/file"), "x")


@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "full"), (errno.EACCES, "permission denied"), (errno.EROFS, "read-only")]
)
def test_system_errors_are_sentences(tmp_path, number, sentence):
    with pytest.raises(HarnessError, match=sentence), explain_os_errors(tmp_path):
        raise OSError(number, "no")
