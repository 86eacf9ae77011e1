import gzip
import json

import pytest

from scaling_harness.data.shards import parts, read_part
from scaling_harness.errors import UserError

LINE = json.dumps({"text": "A text."}) + "\n"


def texts_of(path):
    return [text for part in parts.parts_of_files(str(path))[0] for text in read_part.read_part(part, "text", None)]


@pytest.mark.parametrize("suffix", [".json", ".ndjson", ".JSONL", ".json.gz", ".ndjson.GZ"])
def test_json_under_other_names_is_read_as_json(tmp_path, suffix):
    content = gzip.compress(LINE.encode()) if suffix.lower().endswith(".gz") else LINE.encode()
    (tmp_path / f"a{suffix}").write_bytes(content)
    assert texts_of(tmp_path) == texts_of(tmp_path / f"a{suffix}") == [b"A text."]


def test_files_of_a_folder_that_are_not_read_are_named(tmp_path, capsys):
    for name in ("a.txt", "b.TXT", "c.csv", "d.md", "e.jsonl.xz", "f.parquet.gz"):
        (tmp_path / name).write_text(name)
    (tmp_path / "sub").mkdir()
    (tmp_path / "g").symlink_to(tmp_path / "sub", target_is_directory=True)
    assert texts_of(tmp_path) == [b"a.txt", b"b.TXT"]
    said = capsys.readouterr().err
    assert "5 files are not read: c.csv, d.md, e.jsonl.xz and 2 more (only .txt, .jsonl" in said
    for name in ("c.csv", "d.md", "e.jsonl.xz", "a.txt", "b.TXT"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"no file that can be read, only f.parquet.gz, g \(a linked directory\): name"):
        parts.parts_of_files(str(tmp_path))


def test_a_name_with_an_unknown_suffix_is_refused(tmp_path, capsys):
    for name in ("a.bz2", "b.csv.gz", "enwik8"):
        (tmp_path / name).write_text("A text.")
    with pytest.raises(UserError, match=r"nothing is known of the suffix of .*a.bz2, .*b.csv.gz: give"):
        parts.parts_of_files(str(tmp_path / "*"))
    assert texts_of(tmp_path / "enwik8") == [b"A text."]
    (tmp_path / "sub").mkdir()
    assert texts_of(tmp_path / "[es]*") == [b"A text."]
    assert "are not read, since they are no files: " in capsys.readouterr().err


def test_what_cannot_be_looked_at_is_said(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text(LINE)
    (tmp_path / "b.jsonl").write_text(LINE)
    whole = parts.Path.stat

    def gone(file, **how):
        if file.name == "b.jsonl" and not how:
            raise FileNotFoundError(2, "No such file or directory", str(file))
        return whole(file, **how)

    files = parts.find_files(str(tmp_path))
    monkeypatch.setattr(parts, "find_files", lambda _: files)
    monkeypatch.setattr(parts.Path, "stat", gone)
    found, broken = parts.parts_of_files(str(tmp_path))
    assert [part.path for part in found] == [str(tmp_path / "a.jsonl")]
    assert str(broken[0]) == f"{tmp_path / 'b.jsonl'} cannot be read (No such file or directory)"


def test_a_folder_that_may_not_be_read_is_a_sentence(tmp_path, monkeypatch):
    def refuse(folder, onerror):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return ()

    monkeypatch.setattr(parts.os, "walk", refuse)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\): change its mode"):
        parts.find_files(str(tmp_path))
