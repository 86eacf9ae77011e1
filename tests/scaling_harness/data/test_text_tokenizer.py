import types

import numpy as np

from scaling_harness.data import text_tokenizer


def test_few_pieces_are_encoded_at_a_time(monkeypatch):
    """The encodings of all pieces of a long document at once took 60 times its memory."""
    monkeypatch.setattr(text_tokenizer, "_ENCODED_BYTES", 4)
    batches = []

    def encode(batch, **_):
        batches.append(batch)
        return [types.SimpleNamespace(ids=list(piece.encode())) for piece in batch]

    tokenizer = types.SimpleNamespace(encode_batch_fast=encode)
    ids = text_tokenizer._encode_few_at_a_time(tokenizer, [b"abc", b"de", b"", b"f"], np.dtype("u1"))
    assert [one.tobytes() for one in ids] == [b"abc", b"de", b"", b"f"]
    assert batches == [["abc", "de"], ["", "f"]]
