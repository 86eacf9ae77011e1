import errno
import json
import logging
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scaling_harness.config.schema import Bpe, FilesData, SotuData
from scaling_harness.data import corpus
from scaling_harness.data import token_cache as tokens
from scaling_harness.data.token_cache import list_prepared, open_tokens, prepare
from scaling_harness.errors import HarnessError, UserError

SENTENCES = [f"Line {i}: the quick brown fox jumps over {i * i} lazy dogs, naïve café.\n" * 5 for i in range(60)]


@pytest.fixture
def books(tmp_path):
    """A corpus of 60 documents in JSON lines."""
    path = tmp_path / "books.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in SENTENCES))
    return FilesData(path=str(path), valid_fraction=0.1)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def unread(monkeypatch):
    """Call to make any further reading of a source fail."""

    def forbid():
        monkeypatch.setattr(tokens, "_survey", lambda corpus: pytest.fail(f"{corpus.label} was read again"))

    return forbid


def bpe(data, vocab_size):
    return FilesData(path=data.path, valid_fraction=data.valid_fraction, tokenizer=Bpe(vocab_size))


def decoded(path, tokenizer_path):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(tokenizer_path)).decode(open_tokens(path).tolist()).encode()


def documents_of(info):
    """The texts of the three sides as they can be read back."""
    paths = (info.train_path, info.valid_path, info.test_path)
    if info.tokenizer_path is None:
        sides = [open_tokens(path).tobytes() for path in paths]
    else:
        sides = [decoded(path, info.tokenizer_path) for path in paths]
    assert all(side.endswith(b"\0") for side in sides)
    return [side[:-1].decode().split("\0") for side in sides]


@pytest.mark.parametrize("vocab_size", [None, 300])
def test_every_document_is_whole_on_one_side(books, cache, vocab_size):
    info = prepare(books if vocab_size is None else bpe(books, vocab_size), [], cache)
    train, valid, test = documents_of(info)
    assert sorted(train + valid + test) == sorted(SENTENCES)
    assert (len(valid), len(test)) == (6, 3)
    assert info.n_documents == 60


def test_info_describes_the_files(books, cache):
    info = prepare(bpe(books, 300), [], cache)
    train, valid = open_tokens(info.train_path), open_tokens(info.valid_path)
    assert (train.dtype, valid.dtype) == (np.dtype("<u2"), np.dtype("<u2"))
    assert (len(train), len(valid)) == (info.n_train_tokens, info.n_valid_tokens)
    assert train.max() < info.vocab_size == 300
    assert not train.flags.writeable
    n_bytes = sum(len(text.encode()) + 1 for text in documents_of(info)[1])
    assert info.bytes_per_token == n_bytes / len(valid) > 1


def test_the_embedded_corpus_keeps_what_the_budgets_need(cache):
    info = prepare(SotuData(), [], cache)
    n_tokens = info.n_train_tokens + info.n_valid_tokens + info.n_test_tokens
    assert n_tokens == 12_185_751 + 249  # the package's bytes and a separator each
    assert info.n_train_tokens > 10_900_000
    assert info.bytes_per_token == 1.0
    assert len(info.held_out) == 5
    assert info.held_out_test == ("Gerald R. Ford", "Herbert Hoover", "Rutherford B. Hayes", "Thomas Jefferson")


def test_a_test_split_leaves_the_validation_split_as_it_is(books, cache):
    with_test, without = (
        prepare(FilesData(path=books.path, valid_fraction=0.1, test_fraction=share), [], cache) for share in (0.1, 0)
    )
    assert open_tokens(with_test.valid_path).tobytes() == open_tokens(without.valid_path).tobytes()
    assert (without.test_path, without.n_test_tokens) == (None, 0)
    assert without.n_train_tokens == with_test.n_train_tokens + with_test.n_test_tokens
    assert with_test.evaluation_paths.keys() - without.evaluation_paths.keys() == {"test"}
    assert with_test.data_id != without.data_id


def test_bpe_learns_from_the_training_side_alone(tmp_path, cache):
    # Each document has a word of its own, frequent enough to become a token; that of the held-out one must not.
    words = [f"q{chr(97 + i)}zq{chr(97 + i)}z" for i in range(10)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": f" {word}" * 100}) for word in words))
    info = prepare(FilesData(path=str(path), valid_fraction=0.1, test_fraction=0.1, tokenizer=Bpe(280)), [], cache)
    held = [side[0].split()[0] for side in documents_of(info)[1:]]
    assert info.tokenizer_path is not None
    vocabulary = json.loads(info.tokenizer_path.read_text())["model"]["vocab"]
    for learnt in (word[1] for word in held):  # its own letter, which no merge can hold
        assert not [token for token in vocabulary if learnt in token and len(token) > 1]
    assert [token for token in vocabulary if "q" in token and len(token) > 1]


def test_bpe_is_the_same_in_another_process(books, tmp_path):
    script = (
        "import sys; from pathlib import Path; from scaling_harness.config.schema import Bpe, FilesData; "
        "from scaling_harness.data.token_cache import prepare; "
        "data = FilesData(path=sys.argv[1], valid_fraction=0.1, tokenizer=Bpe(300)); "
        "print(prepare(data, [], Path(sys.argv[2])).data_id)"
    )
    command = [sys.executable, "-c", script, books.path]
    ids = {subprocess.check_output([*command, str(tmp_path / str(i))], text=True) for i in range(2)}
    assert ids == {prepare(bpe(books, 300), [], tmp_path / "here").data_id + "\n"}


def test_a_vocabulary_the_text_does_not_support_is_refused(books, cache):
    with pytest.raises(UserError, match=r"supports \d+ BPE tokens, not 20000: lower data.tokenizer.vocab_size"):
        prepare(bpe(books, 20_000), [], cache)


class TestIdentity:
    def test_is_that_of_the_content_wherever_it_lies(self, books, tmp_path, cache):
        info = prepare(books, [], cache)
        moved = shutil.copy(books.path, str(tmp_path / "moved.jsonl"))
        assert prepare(FilesData(path=moved, valid_fraction=0.1), [], tmp_path / "other").data_id == info.data_id

    def test_differs_with_content_split_and_tokenizer(self, books, tmp_path, cache):
        more = tmp_path / "more.jsonl"
        more.write_text(Path(books.path).read_text() + '\n{"text": "one more"}')
        asked = [books, FilesData(path=books.path, valid_fraction=0.2), bpe(books, 300), bpe(books, 301)]
        asked.append(FilesData(path=str(more), valid_fraction=0.1))
        assert len({prepare(data, [], cache).data_id for data in asked}) == 5

    def test_sees_a_change_where_groups_have_names(self, books, cache, monkeypatch):
        def edition(text):
            documents = [corpus.Document(str(year), f"president {year}", text) for year in range(1800, 1820)]
            return corpus.Corpus("speeches", text.decode(), lambda: iter(documents), chronological=True)

        found = []
        for text in (b"four score", b"five score"):
            monkeypatch.setattr(tokens, "open_corpus", lambda _, text=text: edition(text))
            found.append(prepare(books, [], cache))
        assert found[0].data_id != found[1].data_id
        assert found[0].held_out == found[1].held_out == ("president 1804", "president 1814")

    def test_sees_a_change_of_the_same_size(self, books, cache):
        before = prepare(books, [], cache).data_id
        path = Path(books.path)
        stat = path.stat()
        path.write_bytes(path.read_bytes().replace(b"quick", b"quack"))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        assert prepare(books, [], cache).data_id != before


class TestCache:
    def test_is_found_without_reading_the_source(self, books, cache, unread):
        first = prepare(books, ["code"], cache)
        unread()
        assert prepare(books, ["code"], cache) == first

    def test_is_found_without_heavy_imports(self, books, cache):
        prepare(bpe(books, 300), ["code"], cache)
        script = (
            "import sys; from pathlib import Path; from scaling_harness.data import token_cache as tokens; "
            "from scaling_harness.config.schema import Bpe, FilesData; tokens._survey = None; "
            "data = FilesData(path=sys.argv[1], valid_fraction=0.1, tokenizer=Bpe(300)); "
            "tokens.prepare(data, ['code'], Path(sys.argv[2])); "
            "print({'torch', 'pandas', 'tokenizers', 'pyarrow', 'datasets'} & set(sys.modules))"
        )
        command = [sys.executable, "-c", script, books.path, str(cache)]
        assert subprocess.check_output(command, text=True) == "set()\n"

    def test_is_not_made_again_where_only_the_time_changed(self, books, cache, monkeypatch):
        first = prepare(books, [], cache)
        os.utime(books.path, ns=(0, 0))
        monkeypatch.setattr(tokens, "_make", lambda *_: pytest.fail("made again"))
        assert prepare(books, [], cache) == first

    def test_survives_a_copy_that_loses_times(self, books, cache, tmp_path, unread):
        first = prepare(books, [], cache)
        shutil.copytree(cache, tmp_path / "copy", copy_function=shutil.copyfile)
        unread()
        copied = prepare(books, [], tmp_path / "copy")
        assert copied.data_id == first.data_id
        assert copied.train_path == tmp_path / "copy" / first.train_path.relative_to(cache)

    @pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "meta", "no meta"])
    def test_is_made_again_where_damaged(self, books, cache, caplog, damage):
        first = prepare(books, [], cache)
        wanted = first.train_path.read_bytes()
        meta = first.train_path.parent / "meta.json"
        if damage == "flip":
            first.train_path.write_bytes(bytes([wanted[0] ^ 1]) + wanted[1:])
        elif damage == "truncate":
            first.train_path.write_bytes(wanted[:-1])
        elif damage == "delete":
            first.train_path.unlink()
        elif damage == "meta":
            meta.write_text('{"label": "books"')
        else:
            meta.unlink()
        with caplog.at_level(logging.WARNING):
            assert prepare(books, [], cache) == first
        assert first.train_path.read_bytes() == wanted
        assert ("is damaged and will be made again" in caplog.text) == (damage != "no meta")
        assert sorted(path.name for path in cache.iterdir()) == sorted([first.train_path.parent.name, "index"])

    def test_a_damaged_tokenizer_is_made_again(self, books, cache):
        first = prepare(bpe(books, 300), [], cache)
        assert first.tokenizer_path is not None
        first.tokenizer_path.write_text("{}")
        assert prepare(bpe(books, 300), [], cache) == first
        assert documents_of(first)[1]

    def test_works_where_only_reading_is_allowed(self, books, cache, monkeypatch):
        first = prepare(books, [], cache)
        shutil.rmtree(cache / "index")

        def refuse(path, document):
            raise UserError(f"cannot write {path}")

        monkeypatch.setattr(tokens, "write_json", refuse)
        assert prepare(books, [], cache) == first

    def test_is_made_once_by_processes_that_start_together(self, books, cache):
        context = multiprocessing.get_context("spawn")
        barrier, answers = context.Barrier(3), context.Queue()
        workers = [context.Process(target=prepare_together, args=(barrier, answers, books, cache)) for _ in range(3)]
        for worker in workers:
            worker.start()
        infos = [answers.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join()
        assert infos == [infos[0]] * 3
        train, valid, test = documents_of(infos[0])
        assert sorted(train + valid + test) == sorted(SENTENCES)
        kinds = sorted(path.name.rpartition("-")[0] for path in cache.iterdir() if path.name != "index")
        assert kinds == ["books", "code"]

    def test_a_loser_of_the_race_takes_the_folder_of_the_winner(self, books, cache, monkeypatch):
        rename, winners = Path.rename, []

        def late(path, target):
            if not winners:
                winners.append(None)
                winners.append(prepare(books, [], cache))
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", late)
        info = prepare(books, [], cache)
        assert info == winners[1]
        assert len(list(cache.iterdir())) == 2


def prepare_together(barrier, answers, data, cache):
    barrier.wait(timeout=60)
    answers.put(prepare(data, ["code"], cache))


class TestEvaluationSets:
    def test_are_tokenised_like_the_corpus(self, books, cache, tmp_path):
        (tmp_path / "verse.txt").write_text("Shall I compare thee to a summer's day?")
        info = prepare(bpe(books, 300), ["code", str(tmp_path / "verse.txt")], cache)
        assert decoded(info.extra["verse"], info.tokenizer_path) == b"Shall I compare thee to a summer's day?\0"
        assert b"class ArgumentParser" in decoded(info.extra["code"], info.tokenizer_path)
        assert set(info.extra_ids) == {"code", "verse"}

    def test_are_shared_by_corpora_of_bytes_and_do_not_touch_the_identity(self, books, cache):
        plain, with_code = prepare(books, [], cache), prepare(books, ["code"], cache)
        assert plain.data_id == with_code.data_id
        assert prepare(SotuData(), ["code"], cache).extra == with_code.extra

    def test_need_names_of_their_own(self, books, cache, tmp_path):
        (tmp_path / "valid.txt").write_text("x")
        with pytest.raises(UserError, match="two evaluation sets are called 'valid'"):
            prepare(books, [str(tmp_path / "valid.txt")], cache)
        with pytest.raises(UserError, match="two evaluation sets are called 'code'"):
            prepare(books, ["code", "code"], cache)


def test_list_shows_what_is_there(books, cache, caplog):
    assert list_prepared(cache) == []
    infos = [prepare(books, ["code"], cache), prepare(bpe(books, 300), [], cache)]
    found = list_prepared(cache)
    assert sorted(info.data_id for info in found) == sorted(info.data_id for info in infos)
    assert {info.label for info in found} == {"books"}
    infos[0].train_path.unlink()
    assert [info.vocab_size for info in list_prepared(cache)] == [300]
    assert "is damaged" in caplog.text


class TestBadInput:
    def test_empty(self, tmp_path, cache):
        (tmp_path / "a.txt").write_text("")
        with pytest.raises(UserError, match="the corpus 'a' is empty"):
            prepare(FilesData(path=str(tmp_path / "a.txt")), [], cache)
        assert not cache.exists()

    def test_a_directory_that_is_a_file(self, books, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match=r"cannot write .*file"):
            prepare(books, [], tmp_path / "file" / "cache")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_directory_that_is_read_only(self, books, cache):
        cache.mkdir(mode=0o500)
        with pytest.raises(UserError, match="permission denied"):
            prepare(books, [], cache)

    @pytest.mark.parametrize("operation", ["mkdir", "rename"])
    def test_a_directory_that_refuses(self, books, cache, monkeypatch, operation):
        def refuse(*_, **__):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, operation, refuse)
        with pytest.raises(UserError, match=f"cannot write {cache}: permission denied"):
            prepare(books, [], cache)

    def test_a_full_disk_leaves_nothing_behind(self, books, cache, monkeypatch):
        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(tokens.os, "fsync", full)
        with pytest.raises(HarnessError, match="is full"):
            prepare(books, [], cache)
        assert list(cache.iterdir()) == []

    def test_a_source_that_fails_half_way_leaves_nothing_behind(self, books, cache, monkeypatch):
        reads = []

        def vanish():
            reads.append(None)
            if len(reads) == 2:
                raise UserError("cannot read books.jsonl: Stale file handle")
            return iter([corpus.Document(str(i), str(i), b"text") for i in range(20)])

        source = corpus.Corpus("fake", "signature", vanish)
        monkeypatch.setattr(tokens, "open_corpus", lambda _: source)
        with pytest.raises(UserError, match="Stale file handle"):
            prepare(books, [], cache)
        assert list(cache.iterdir()) == []

    def test_a_token_file_that_is_gone(self, tmp_path):
        with pytest.raises(UserError, match=r"cannot read .*train\.u8: No such file.*data prepare"):
            open_tokens(tmp_path / "train.u8")


def test_a_damaged_corpus_hides_no_other(books, cache, caplog):
    """As earlier versions wrote it with a tokenizer that gives no tokens."""
    info = prepare(books, [], cache)
    other = prepare(bpe(books, 300), [], cache)
    meta_path = other.train_path.parent / tokens.META_FILE
    meta = json.loads(meta_path.read_text())
    meta["streams"]["valid"]["n_tokens"] = 0
    meta_path.write_text(json.dumps(meta))
    (cache / "odd").mkdir()
    (cache / "odd" / tokens.META_FILE).write_text("[]")
    assert [one.data_id for one in list_prepared(cache)] == [info.data_id]
    assert caplog.text.count("is damaged") == 2
