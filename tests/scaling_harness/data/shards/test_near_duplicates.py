import numpy as np
import pytest

from scaling_harness.data.shards import near_duplicates

pytest.importorskip("datasketch")


def left_out(tmp_path, *texts):
    rows = [near_duplicates._signature(text.encode()) for text in texts]
    (tmp_path / "one").write_bytes(b"".join(row.tobytes() for row in rows))
    (tmp_path / "none").write_bytes(b"")
    first, second = near_duplicates.find_near_duplicates([tmp_path / "one", tmp_path / "none"], 0.8)
    assert len(second) == 0
    return first.tolist()


def test_no_documents_have_no_near_duplicates(tmp_path):
    assert near_duplicates.find_near_duplicates([], 0.8) == []
    assert left_out(tmp_path) == []


def test_texts_without_words_are_compared_by_their_characters(tmp_path):
    assert left_out(tmp_path, "!?" * 30, "-+*=" * 20, "", "#", "-+*=" * 20) == [False, False, False, False, True]


def test_most_pairs_above_the_threshold_are_found(tmp_path):
    rng = np.random.default_rng(0)
    words = [[f"w{k}" for k in rng.integers(0, 10**6, 204)] for _ in range(100)]
    near = [[*text[:188], *(f"x{k}" for k in range(16))] for text in words]  # 184 of 216 sequences: Jaccard 0.85
    found = left_out(tmp_path, *map(" ".join, [*words, *near]))
    assert not any(found[:100])
    assert sum(found[100:]) > 85
