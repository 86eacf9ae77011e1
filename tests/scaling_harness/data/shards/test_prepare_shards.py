import dataclasses
import gzip
import itertools
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from scaling_harness.cli.data._rows import COLUMNS, columns_with_left_out, data_rows
from scaling_harness.config.schema import Bpe, FilesData, ShardsData, TokenizerFile
from scaling_harness.data.prepare import prepare
from scaling_harness.data.shards import documents, parts, prepare_shards, read_part, tokenise_part, worker_processes
from scaling_harness.data.token_cache import open_tokens
from scaling_harness.data.token_files import TokenFiles
from scaling_harness.errors import UserError

TEXTS = [f"Document {i}: the quick brown fox jumps over {i * i} lazy dogs, naïve café.\n" * 5 for i in range(240)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One corpus in four kinds of files, cut in small parts; all work is done in this process."""
    monkeypatch.setattr(parts, "PART_BYTES", 8000)
    monkeypatch.setattr(worker_processes, "n_cores", lambda: 1)
    path = tmp_path / "text"
    path.mkdir()
    lines = ["".join(json.dumps({"text": text}) + "\n" for text in TEXTS[i : i + 60]) for i in (0, 60)]
    (path / "a.jsonl").write_text(lines[0])
    (path / "b.jsonl.gz").write_bytes(gzip.compress(lines[1].encode()))
    table = pyarrow.table({"id": list(range(60)), "text": TEXTS[120:180]})
    parquet.write_table(table, path / "c.parquet", row_group_size=10)
    compressed = pyarrow.Codec("zstd").compress("<end>".join(TEXTS[180:]).encode(), asbytes=True)
    (path / "d.txt.zst").write_bytes(compressed)
    return path


def data_of(folder, **settings):
    return ShardsData(path=str(folder), document_separator="<end>", valid_fraction=0.1, test_fraction=0.1, **settings)


def text_of(path):
    tokens = open_tokens(path)
    return tokens.read(0, len(tokens)).tobytes()


def documents_of(info):
    return [text_of(path)[:-1].decode().split("\0") for path in (info.train_path, info.valid_path, info.test_path)]


def test_every_document_of_every_kind_of_file_is_in_the_split_of_its_hash(folder, tmp_path):
    info = prepare(data_of(folder), [], tmp_path / "cache")
    train, valid, test = documents_of(info)
    assert sorted(train + valid + test) == sorted(TEXTS)
    assert (len(train), len(valid), len(test)) == (205, 13, 22)
    assert info.n_documents == 240
    assert len(list(info.train_path.parent.glob("*.u8"))) > 20  # one a part and split
    with_more = Path(folder, "e.txt")
    with_more.write_text("One more.")
    again = prepare(data_of(folder), [], tmp_path / "cache")
    assert all(set(old) <= set(new) for old, new in zip((train, valid, test), documents_of(again), strict=True))
    assert again.data_id != info.data_id


def test_tokens_are_the_same_elsewhere_and_are_found_again(folder, tmp_path, monkeypatch):
    info = prepare(data_of(folder), [], tmp_path / "cache")
    folder.rename(tmp_path / "moved")
    assert prepare(data_of(tmp_path / "moved"), [], tmp_path / "other").data_id == info.data_id
    monkeypatch.setattr(prepare_shards, "_make", lambda *_: pytest.fail("it was read again"))
    assert prepare(data_of(tmp_path / "moved"), [], tmp_path / "other").data_id == info.data_id


def test_windows_run_across_shards(folder, tmp_path):
    info = prepare(data_of(folder), [], tmp_path / "cache")
    whole = text_of(info.train_path)
    source = TokenFiles(info, n_ctx=700, batch_seqs=16)
    starts = [whole.find(row.astype(np.uint8).tobytes()) for row in source.batch(seed=1, i=0)]
    assert min(starts) >= 0
    assert len(set(starts)) == 16
    assert source.evaluation_windows("valid", 1400).shape == (2, 701)


def test_a_kill_loses_no_part_that_was_done(folder, tmp_path, monkeypatch):
    whole = prepare(data_of(folder, tokenizer=Bpe(300)), [], tmp_path / "whole")
    work, seen = prepare_shards.tokenise_part, []

    def killed(task, context):
        if len(seen) == 7:
            raise KeyboardInterrupt
        seen.append(task.key)
        work(task, context)

    monkeypatch.setattr(prepare_shards, "tokenise_part", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare(data_of(folder, tokenizer=Bpe(300)), [], tmp_path / "cache")
    before = list(seen)
    monkeypatch.setattr(
        prepare_shards, "tokenise_part", lambda task, context: (seen.append(task.key), work(task, context))
    )
    monkeypatch.setattr(prepare_shards.text_tokenizer, "train_bpe", lambda *_: pytest.fail("trained again"))
    assert prepare(data_of(folder, tokenizer=Bpe(300)), [], tmp_path / "cache").data_id == whole.data_id
    assert not set(before) & set(seen[7:])
    assert not list((tmp_path / "cache").glob(".preparing*"))


def test_nothing_is_left_beside_the_shards(folder, tmp_path, monkeypatch):
    prepare(data_of(folder), [], tmp_path / "cache")
    make = prepare_shards._make

    def after_a_kill(data, source, preparing, made_of):
        preparing.mkdir()
        (preparing / ".half").write_text("written")
        return make(data, source, preparing, made_of)

    monkeypatch.setattr(prepare_shards, "_make", after_a_kill)
    (folder / "a.jsonl").touch()  # the same content is prepared again
    info = prepare(data_of(folder), [], tmp_path / "cache")
    assert not list((tmp_path / "cache").glob(".preparing*"))
    assert not list(info.train_path.parent.glob(".*"))


def test_the_parts_of_a_process_share_a_tokenizer(folder, tmp_path, monkeypatch):
    """Each that was loaded kept some memory for good, so that memory grew with the corpus."""
    loaded, load = [], tokenise_part.encoder
    monkeypatch.setattr(tokenise_part, "encoder", lambda *args, **how: loaded.append(args) or load(*args, **how))
    info = prepare(data_of(folder, tokenizer=Bpe(300)), [], tmp_path / "cache")
    assert len(list(info.train_path.parent.glob("*.u16"))) > 20
    assert len(loaded) == 1


def test_processes_give_what_one_gives(folder, tmp_path, monkeypatch):
    alone = prepare(data_of(folder), [], tmp_path / "cache")
    monkeypatch.setattr(worker_processes, "n_cores", lambda: 2)
    assert prepare(data_of(folder), [], tmp_path / "other").data_id == alone.data_id


class TestBroken:
    @pytest.fixture
    def broken(self, folder):
        with (folder / "a.jsonl").open("a") as file:
            file.write('{"text": 3}\n{"text": "half')
        (folder / "c.parquet").write_bytes(b"PAR1 no more")
        content = (folder / "d.txt.zst").read_bytes()
        (folder / "d.txt.zst").write_bytes(content[: len(content) // 2])
        return folder

    def test_is_refused_by_name_unless_told(self, broken, tmp_path):
        with pytest.raises(UserError, match=r"c.parquet is not a Parquet file .*data.on_broken=skip"):
            prepare(data_of(broken), [], tmp_path / "cache")
        (broken / "c.parquet").unlink()
        with pytest.raises(UserError, match=r"a.jsonl line at byte \d+ holds 3 in field 'text', not text: mend"):
            prepare(data_of(broken), [], tmp_path / "cache")

    def test_is_left_out_and_counted_if_told(self, broken, tmp_path, caplog):
        with caplog.at_level(logging.WARNING):
            info = prepare(data_of(broken, on_broken="skip"), [], tmp_path / "cache")
        assert "broken pieces of 3 files" in caplog.text
        assert "d.txt.zst cannot be read to its end" in caplog.text
        assert info.n_broken >= 4
        assert info.n_documents >= 120

    def test_the_number_is_that_of_all_and_a_whole_file_is_one(self, folder, tmp_path, caplog):
        with (folder / "a.jsonl").open("a") as file:
            file.write('{"text": 3}\n' * 50)
        table = pyarrow.table({"other": TEXTS[120:180]})
        parquet.write_table(table, folder / "c.parquet", row_group_size=10)
        with caplog.at_level(logging.WARNING):
            info = prepare(data_of(folder, on_broken="skip"), [], tmp_path / "cache")
        assert "left out 51 broken pieces of 2 files: 50 in" in caplog.text
        assert info.n_broken == 51


class TestTokenizers:
    def test_the_users_file_with_its_own_end_of_text(self, folder, tmp_path):
        trained = prepare(data_of(folder, tokenizer=Bpe(300)), [], tmp_path / "cache")
        own = json.loads(Path(trained.tokenizer_path).read_text())
        own["model"]["vocab"] |= {"<|endoftext|>": 300} | {f"zz{i}": 301 + i for i in range(70_000)}
        names = ("single_word", "lstrip", "rstrip", "normalized", "special")
        own["added_tokens"] = [{"id": 300, "content": "<|endoftext|>", **dict.fromkeys(names, False)}]
        (tmp_path / "own.json").write_text(json.dumps(own))
        info = prepare(data_of(folder, tokenizer=TokenizerFile(str(tmp_path / "own.json"))), [], tmp_path / "cache")
        tokens = open_tokens(info.valid_path)
        tokens = tokens.read(0, len(tokens))
        assert info.vocab_size == 70_301
        assert tokens.dtype == np.uint32
        assert (tokens == 300).sum() == 13  # one a document
        with pytest.raises(UserError, match=r"vocab_size is 5, but .* has 70301 tokens"):
            prepare(data_of(folder, tokenizer=TokenizerFile(str(tmp_path / "own.json"), 5)), [], tmp_path / "cache")

    def test_another_vocabulary_beside_the_shards_is_refused(self, folder, tmp_path):
        info = prepare(data_of(folder, tokenizer=Bpe(300)), [], tmp_path / "cache")
        other = prepare(data_of(folder, tokenizer=Bpe(310)), [], tmp_path / "cache")
        Path(info.tokenizer_path).write_text(Path(other.tokenizer_path).read_text())
        with pytest.raises(UserError, match=r"have a vocabulary of 300 \(this one has 310\): put the old one back"):
            prepare(data_of(folder, tokenizer=Bpe(300)), [], tmp_path / "cache")

    def test_a_file_that_is_none_is_refused(self, folder, tmp_path):
        for content, said in ((None, "cannot read the tokenizer"), ("{}", "is no tokenizer")):
            if content:
                (tmp_path / "x.json").write_text(content)
            with pytest.raises(UserError, match=said):
                prepare(data_of(folder, tokenizer=TokenizerFile(str(tmp_path / "x.json"))), [], tmp_path / "cache")

    @pytest.mark.parametrize(
        ("vocab", "unknown", "said"),
        [
            ({"Document": 0, "the": 1, "?": 2}, "?", r"[89]\d\.\d% of the tokens are unknown"),
            ({"a": 0, "b": 1}, None, r"and 9\d\.\d% of the bytes are in no known token"),
            ({}, None, r"has no token: train it"),
        ],
    )
    def test_one_that_loses_the_text_is_refused(self, folder, tmp_path, vocab, unknown, said):
        own = tmp_path / "own.json"
        model = models.WordLevel(vocab, unknown) if unknown else models.BPE(vocab, [])
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.save(str(own))
        for data in (data_of(folder), FilesData(path=str(folder / "a.jsonl"))):
            with pytest.raises(UserError, match=said) as error:
                prepare(dataclasses.replace(data, tokenizer=TokenizerFile(str(own))), [], tmp_path / "cache")
            assert error.value.exit_code == 2

    def test_one_that_normalises_is_taken(self, folder, tmp_path):
        """It changes every letter, on purpose, and gives no white space back."""
        own = tmp_path / "own.json"
        tokenizer = Tokenizer(models.WordLevel(unk_token="?"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
        tokenizer.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=["?", "</s>"]))
        tokenizer.save(str(own))
        info = prepare(data_of(folder, tokenizer=TokenizerFile(str(own))), [], tmp_path / "cache")
        assert info.n_documents == 240

    def test_a_document_cannot_forge_its_end(self, tmp_path):
        path, own = tmp_path / "forged.jsonl", tmp_path / "own.json"
        path.write_text(
            "".join(json.dumps({"text": f"{i} <|endoftext|> {text}"}) + "\n" for i, text in enumerate(TEXTS))
        )
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        special = {"special_tokens": ["<|endoftext|>"], "initial_alphabet": alphabet}
        tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, show_progress=False, **special))
        for is_special in (True, False):
            document = json.loads(tokenizer.to_str())
            document["added_tokens"][0]["special"] = is_special
            own.write_text(json.dumps(document))
            info = prepare(ShardsData(path=str(path), tokenizer=TokenizerFile(str(own))), [], tmp_path / "cache")
            paths = (info.train_path, info.valid_path, info.test_path)
            splits = [open_tokens(path) for path in paths]
            tokens = np.concatenate([split.read(0, len(split)) for split in splits])
            assert (tokens == tokenizer.token_to_id("<|endoftext|>")).sum() == info.n_documents == 240

    def test_bytes_a_token_of_every_set(self, folder, tmp_path):
        (tmp_path / "other.txt").write_text("Something else. " * 50)
        info = prepare(data_of(folder, tokenizer=Bpe(300)), [str(tmp_path / "other.txt"), "shuffled"], tmp_path / "c")
        assert set(info.set_bytes_per_token) == {"valid", "test", "other", "shuffled"}
        valid = sum(len(text.encode()) for text in TEXTS if text in self.decoded(info))
        assert info.set_bytes_per_token["valid"] == pytest.approx((valid + 13) / info.n_valid_tokens)

    def decoded(self, info):
        tokens = open_tokens(info.valid_path)
        return Tokenizer.from_file(str(info.tokenizer_path)).decode(tokens.read(0, len(tokens)).tolist()).split("\0")


def test_near_duplicates_are_left_out(folder, tmp_path, caplog):
    pytest.importorskip("datasketch")
    rng = np.random.default_rng(0)
    words = [" ".join(f"w{k}" for k in rng.integers(0, 1000, 200)) for _ in range(40)]
    near = [text.replace("w1 ", "w2 ") + " and the end" for text in words[:10]]
    path = tmp_path / "near.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*words, *near, *words[:5]]))
    data = ShardsData(path=str(path), near_duplicates=0.8, valid_fraction=0.2, test_fraction=0.2)
    info = prepare(data, [], tmp_path / "cache")
    assert info.n_near_duplicates == 15
    assert "left out 15 near duplicates" in caplog.text
    (row,) = data_rows([info])
    assert columns_with_left_out([row]) == (*COLUMNS, "n_near_duplicates")
    assert sorted(itertools.chain(*documents_of(info))) == sorted(words)


def test_a_data_set_is_streamed(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    (tmp_path / "set").mkdir()
    for part in range(2):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS[part * 40 : part * 40 + 40])
        (tmp_path / "set" / f"{part}.jsonl").write_text(lines)
    monkeypatch.setattr(worker_processes, "n_cores", lambda: 1)
    data = ShardsData(dataset=str(tmp_path / "set"), valid_fraction=0.2, test_fraction=0.2)
    info = prepare(data, [], tmp_path / "cache")
    assert sorted(itertools.chain(*documents_of(info))) == sorted(TEXTS[:80])


class Rows:
    """What `datasets.load_dataset` gives of a folder, as far as it is used here."""

    num_shards, info, column_names = 1, SimpleNamespace(version="0"), ("text",)

    def __init__(self, folder):
        self.folder = folder

    def shard(self, **_):
        return ({"text": text} for path in sorted(self.folder.iterdir()) for text in path.read_text().splitlines())


class TestLocalDataSet:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.setattr(documents, "_load", lambda data: Rows(Path(data.dataset)))
        monkeypatch.setattr(documents.importlib.metadata, "version", lambda _: "5")
        for name in ("one", "other"):
            (tmp_path / name / "set").mkdir(parents=True)
            lines = [f"{name} document {i}" for i in range(60)]
            (tmp_path / name / "set" / "a.txt").write_text("\n".join(lines))

    def words(self, tmp_path):
        info = prepare(ShardsData(dataset="set", valid_fraction=0.2, test_fraction=0.2), [], tmp_path / "cache")
        return {text.split()[0] for text in itertools.chain(*documents_of(info))}

    def test_of_the_same_name_elsewhere_is_another(self, tmp_path, monkeypatch):
        for name in ("one", "other"):
            monkeypatch.chdir(tmp_path / name)
            assert self.words(tmp_path) == {name}

    def test_that_has_changed_is_read_again(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path / "one")
        self.words(tmp_path)
        Path("set", "a.txt").write_text("\n".join(f"new document {i}" for i in range(60)))
        assert self.words(tmp_path) == {"new"}
        monkeypatch.setattr(prepare_shards, "_make", lambda *_: pytest.fail("it was read again"))
        assert self.words(tmp_path) == {"new"}


def test_a_text_without_separator_is_cut_once_at_every_place(tmp_path, monkeypatch):
    monkeypatch.setattr(read_part, "BLOCK_BYTES", 500)
    monkeypatch.setattr(parts, "PART_BYTES", 3000)
    content = ("".join(TEXTS[:20]) + "漢字" * 2000 + "".join(TEXTS[20:40])).encode()
    (tmp_path / "one.txt").write_bytes(content)
    pieces, _ = parts.parts_of_files(str(tmp_path / "one.txt"))
    texts = [text for piece in pieces for text in read_part.read_part(piece, "text", None)]
    assert len(pieces) > 5
    assert b"".join(texts) == content
    assert max(map(len, texts)) <= 1510


def test_splits_that_stay_empty_are_refused(tmp_path):
    (tmp_path / "one.txt").write_text("A short text.")
    with pytest.raises(UserError, match=r"split of 1 documents is empty: change data.valid_fraction"):
        prepare(ShardsData(path=str(tmp_path / "one.txt")), [], tmp_path / "cache")
    (tmp_path / "none.txt").write_text("")
    with pytest.raises(UserError, match="'none' holds no text"):
        prepare(ShardsData(path=str(tmp_path / "none.txt")), [], tmp_path / "cache")
