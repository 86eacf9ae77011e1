"""Text to tokens: bytes, byte pairs trained here, or the user's own `tokenizer.json`."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_harness.data.token_shards import DTYPES, suffix_for
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_text

if TYPE_CHECKING:
    from scaling_harness.config.schema import Bpe, Bytes, TokenizerFile

SEPARATOR = b"\0"
"""Ends every document: no text contains it."""
END_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "</s>", "<eos>", "[SEP]")
"""Names of the token that ends every document instead, if a tokenizer made elsewhere has one of them."""
N_BYTES = 256
_PIECE_BYTES = 1 << 18
"""A longer document is encoded in pieces, cut at a space, since an encoding takes many times the text's memory."""
_ENCODED_BYTES = 1 << 20
"""Text that is encoded at once."""

SAMPLE_BYTES = 1 << 18
"""Text by which a tokenizer made elsewhere is judged."""
_MOST_LOST = 0.01
_ENCODING = 2
"""Increased by hand whenever the same `tokenizer.json` would give other tokens."""


def vocab_size_of(tokenizer: "Bytes | Bpe | TokenizerFile") -> int:
    """V of a tokenizer before any text is read."""
    if tokenizer.kind == "bytes":
        return N_BYTES
    if tokenizer.kind == "file":
        return tokenizer.vocab_size or file_vocab_size(Path(tokenizer.path))
    return tokenizer.vocab_size


def settings_of(tokenizer: "Bytes | Bpe | TokenizerFile") -> dict[str, Any]:
    """What decides the tokens, as plain data: of a file its content, and not its path.

    Raises
    ------
    UserError
        The file is missing, or has another V than the settings say.
    """
    if tokenizer.kind == "file":
        if tokenizer.vocab_size not in (None, V := file_vocab_size(Path(tokenizer.path))):
            raise UserError(
                f"data.tokenizer.vocab_size is {tokenizer.vocab_size}, but {tokenizer.path} has {V} tokens: correct "
                "it, or leave it out"
            )
        return {"kind": "file", "encoding": _ENCODING, "sha256": _sha256(Path(tokenizer.path))}
    return {"kind": "bytes"} if tokenizer.kind == "bytes" else {"vocab_size": tokenizer.vocab_size, "kind": "bpe"}


def file_vocab_size(path: Path) -> int:
    """V of a `tokenizer.json`: one more than its largest token.

    Raises
    ------
    UserError
        It is missing, no tokenizer, or has no token.
    """
    V = max(load(path).get_vocab(with_added_tokens=True).values(), default=-1) + 1
    if V == 0:
        raise UserError(f"the tokenizer {path} has no token: train it, or set data.tokenizer.path to another")
    return V


def load(path: Path) -> Any:
    """Read a `tokenizer.json`; see `file_vocab_size` for the errors."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(_content(path).decode())
    except UserError:
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        raise UserError(f"{path} is no tokenizer of the package tokenizers: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if hasattr(tokenizer, "encode_special_tokens"):  # or a document could forge the end of a text
        tokenizer.encode_special_tokens = True
    return tokenizer


def copy_file(tokenizer: "TokenizerFile", to: Path) -> int:
    """Copy the user's tokenizer beside the tokens, and return its V; see `file_vocab_size` for the errors."""
    write_text(to, _content(Path(tokenizer.path)).decode())
    return file_vocab_size(to)


def check_gives_text_back(path: Path, texts: Iterable[bytes]) -> None:
    """Refuse a tokenizer that loses much of a text, whose losses a byte would mean nothing.

    White space does not count, nor what the tokenizer's own normalisation does.

    Parameters
    ----------
    path : Path
        Of a `tokenizer.json`.
    texts : iterable of bytes
        Documents, of which the first `SAMPLE_BYTES` are tried.

    Raises
    ------
    UserError
        More than 1 % of the tokens are unknown, or more than 1 % of the bytes are in no known token.
    """
    tokenizer, unknown = load(path), None
    if (name := _unknown(tokenizer)) is not None:
        unknown = tokenizer.token_to_id(name)
    n_tokens = n_unknown = n_bytes = n_lost = 0
    for encoding, text in _encoded(tokenizer, texts):
        known = [span for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token != unknown]
        n_tokens, n_unknown = n_tokens + len(encoding.ids), n_unknown + len(encoding.ids) - len(known)
        size, lost = _lost(text, known)
        n_bytes, n_lost = n_bytes + size, n_lost + lost
    if n_unknown > _MOST_LOST * n_tokens or n_lost > _MOST_LOST * n_bytes:
        raise UserError(
            f"the tokenizer loses the text: of a sample {n_unknown / max(1, n_tokens):.1%} of the tokens are unknown, "
            f"and {n_lost / max(1, n_bytes):.1%} of the bytes are in no known token: set data.tokenizer.path to one "
            "made for such text, or that falls back to bytes"
        )


def _encoded(tokenizer: Any, texts: Iterable[bytes]) -> Iterator[tuple[Any, str]]:
    """Encodings of the first texts, and the normalised text that the offsets of each are in."""
    left = SAMPLE_BYTES
    for text in texts:
        cut = text[:left].decode(errors="ignore")
        normal = tokenizer.normalizer.normalize_str(cut) if tokenizer.normalizer else cut
        yield tokenizer.encode(normal, add_special_tokens=False), normal
        left -= len(text)
        if left <= 0:
            return


def _lost(text: str, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Bytes of a text without its white space, and how many of them are in no span."""
    edges = np.zeros(len(text) + 1, np.int64)
    if spans:
        starts, ends = np.array(spans).T
        np.add.at(edges, starts, 1)
        np.add.at(edges, ends, -1)
    sizes = np.array([0 if char.isspace() else len(char.encode()) for char in text], np.int64)
    return int(sizes.sum()), int(sizes[edges.cumsum()[:-1] <= 0].sum())


def _unknown(tokenizer: Any) -> str | None:
    """Name of the token of all that a tokenizer does not know."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:
        return model["vocab"][model["unk_id"]][0]
    return model.get("unk_token")


def train_bpe(path: Path, vocab_size: int, texts: Iterator[str]) -> None:
    """Train a byte-level BPE and write it.

    Raises
    ------
    UserError
        The text supports fewer tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() < vocab_size:
        raise UserError(
            f"the training text supports {tokenizer.get_vocab_size()} BPE tokens, not {vocab_size}: "
            "lower data.tokenizer.vocab_size or use a larger corpus"
        )
    tokenizer.save(str(path))


def encoder(
    path: Path | None, vocab_size: int, *, in_pieces: bool = False
) -> Callable[[Sequence[bytes]], list[np.ndarray]]:
    """Make a function from documents to their tokens, each with the end of a document.

    Parameters
    ----------
    path : Path or None
        Of a `tokenizer.json`; None for bytes.
    vocab_size : int
        Decides the type of the elements.
    in_pieces : bool
        Whether long documents are encoded in pieces, which bounds the memory.
    """
    if path is None:
        return lambda texts: [np.frombuffer(text + SEPARATOR, np.uint8) for text in texts]
    tokenizer, dtype = load(path), DTYPES[suffix_for(vocab_size)]
    name = next((name for name in END_OF_TEXT if tokenizer.token_to_id(name) is not None), None)
    if name is not None:
        tokenizer.add_special_tokens([name])  # it has its number, but only a special token is not found in the text
    end = None if name is None else tokenizer.token_to_id(name)
    tail = b"" if end is not None else SEPARATOR

    def encode(texts: Sequence[bytes]) -> list[np.ndarray]:
        pieces = [_pieces(text + tail) if in_pieces else [text + tail] for text in texts]
        encoded = _encode_few_at_a_time(tokenizer, [piece for document in pieces for piece in document], dtype)
        ends = [] if end is None else [np.array([end], dtype)]
        return [np.concatenate([*(next(encoded) for _ in document), *ends]) for document in pieces]

    return encode


def _encode_few_at_a_time(tokenizer: Any, pieces: Sequence[bytes], dtype: Any) -> Iterator[np.ndarray]:
    """Tokens of each piece; an encoding takes 60 times the memory of its text, so that few are held at once."""
    batch, size = list[str](), 0
    for number, piece in enumerate(pieces, start=1):
        batch.append(piece.decode())
        size += len(piece)
        if size >= _ENCODED_BYTES or number == len(pieces):
            for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                yield np.array(encoding.ids, dtype)
            batch, size = [], 0


def _pieces(text: bytes) -> list[bytes]:
    """Pieces of a long text, each but the first from a space on, so that the words stay whole."""
    pieces = []
    while len(text) > 2 * _PIECE_BYTES:
        end = text.find(b" ", _PIECE_BYTES, 2 * _PIECE_BYTES)
        if end < 0:
            end = _PIECE_BYTES
            while text[end] & 0xC0 == 0x80:
                end += 1
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text]


def _sha256(path: Path) -> str:
    return hashlib.sha256(_content(path)).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the tokenizer {path}: {error.strerror}; set data.tokenizer.path") from error
