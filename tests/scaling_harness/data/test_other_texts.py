import sys
from collections import Counter

import pytest

from scaling_harness.data.other_texts import open_manual, shuffled_words
from scaling_harness.data.token_cache import open_tokens
from scaling_harness.errors import UserError


def test_shuffled_words_are_those_of_the_text_in_another_order_always_the_same():
    text = " ".join(f"w{i % 7}" for i in range(3000)) + "\0one more"
    first, again = (list(shuffled_words("sha", lambda: text).read()) for _ in range(2))
    assert first == again
    words = b" ".join(document.text for document in first).decode().split()
    assert Counter(words) == Counter(text.replace("\0", " ").split())
    assert words != text.replace("\0", " ").split()


def test_the_manual_is_technical_english():
    text = b"".join(document.text for document in open_manual().read()).decode()
    assert len(text) > 300_000
    assert "The standard type hierarchy" in text


def test_a_python_without_its_manual_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(UserError, match="which this Python lacks: leave it out"):
        open_manual()


def test_the_shuffled_set_is_made_of_the_test_text(make_plan):
    info = make_plan("evaluation.extra_sets=[shuffled]", "data.test_fraction=0.2").data
    assert set(info.extra) == {"shuffled"}
    shuffled, own = (
        Counter(open_tokens(path).tobytes().replace(b"\0", b" ").split())
        for path in (info.extra["shuffled"], info.test_path)
    )
    assert shuffled == own
