import gzip
import json

import pyarrow
import pytest

from scaling_harness.data.shards import parts, read_part
from scaling_harness.data.shards.broken import Broken

TEXTS = [f"Text {i}: naïve {i * i * 7919 % 1013}." for i in range(300)]
JSONL = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()


def read(path, separator=None):
    """Texts and broken pieces of all parts of a file."""
    pieces, broken = parts.parts_of_files(str(path))
    all_ = [*broken, *(text for part in pieces for text in read_part.read_part(part, "text", separator))]
    return [one.decode() for one in all_ if isinstance(one, bytes)], [one for one in all_ if isinstance(one, Broken)]


class TestDamagedFiles:
    def test_texts_before_a_truncation_are_kept(self, tmp_path):
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(JSONL)[:-200])
        texts, broken = read(tmp_path / "a.jsonl.gz")
        assert texts == TEXTS[: len(texts)]
        assert len(texts) > 200
        assert [one.reason for one in broken] == ["cannot be read to its end (Truncated compressed stream)"]

    @pytest.mark.parametrize("codec", ["gzip", "zstd"])
    def test_texts_before_a_damage_are_kept(self, tmp_path, codec, capfd):
        path = tmp_path / ("a.jsonl.gz" if codec == "gzip" else "a.jsonl.zst")
        path.write_bytes(pyarrow.Codec(codec).compress(JSONL, asbytes=True) + b"no stream")
        texts, broken = read(path)
        assert texts == TEXTS
        assert len(broken) == 1
        assert not capfd.readouterr().err

    def test_blocks_before_a_truncation_are_kept(self, tmp_path):
        content = "é".join(TEXTS).encode()
        (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content)[:-200])
        texts, broken = read(tmp_path / "a.txt.gz")
        assert content.startswith("".join(texts).encode())
        assert len("".join(texts)) > 3000
        assert len(broken) == 1

    def test_a_compressed_file_of_no_bytes_is_broken(self, tmp_path):
        (tmp_path / "a.jsonl.zst").write_bytes(b"")
        texts, broken = read(tmp_path / "a.jsonl.zst")
        assert (texts, [str(one) for one in broken]) == (
            [],
            [f"{tmp_path}/a.jsonl.zst is empty, where even a compressed empty file has some bytes"],
        )


class TestLongRecords:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setattr(read_part, "MOST_BYTES", 1000)
        monkeypatch.setattr(read_part, "_READ_BYTES", 100)

    def test_a_line_that_is_too_long_is_called_so_and_the_next_is_read(self, tmp_path):
        lines = [json.dumps({"text": text}) for text in ("first", "x" * 5000, "last")]
        (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
        texts, broken = read(tmp_path / "a.jsonl")
        assert texts == ["first", "last"]
        assert [one.reason for one in broken] == ["is longer than 1,000 bytes"]

    @pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
    def test_nothing_of_a_text_that_is_too_long_is_kept(self, tmp_path, monkeypatch, suffix):
        monkeypatch.setattr(parts, "PART_BYTES", 700)
        monkeypatch.setattr(parts, "MOST_PARTS", 100)
        content = "@@".join(["first", "y" * 5000, "third", "last"]).encode()
        (tmp_path / f"a{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
        texts, broken = read(tmp_path / f"a{suffix}", "@@")
        assert texts == ["first", "third", "last"]
        assert [one.place for one in broken] == ["text at byte 7"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + JSONL)
    assert read(tmp_path / "a.jsonl") == (TEXTS, [])
