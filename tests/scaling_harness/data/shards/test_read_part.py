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
