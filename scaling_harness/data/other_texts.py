"""Texts of other distributions that are made here: the manual of the running Python, and words in a random order."""

import importlib
import platform
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from scaling_harness.data.corpus import Corpus, Document
from scaling_harness.errors import UserError

SHUFFLED, MANUAL = "shuffled", "manual"
_WORDS_PER_DOCUMENT = 2000
_KEY = 20200123
"""Key of the order of the words."""


def open_manual() -> Corpus:
    """The texts of Python's `help()`: technical English, its language reference.

    Raises
    ------
    UserError
        This Python comes without them.
    """
    try:
        importlib.import_module("pydoc_data.topics")
    except ImportError as error:
        raise UserError(
            "the evaluation set manual is the text of Python's help(), which this Python lacks: leave it out"
        ) from error
    return Corpus(MANUAL, [MANUAL, platform.python_version()], _read_manual)


def _read_manual() -> Iterator[Document]:
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    for name in sorted(topics):
        if topics[name]:
            yield Document(name, name, topics[name].encode())


def shuffled_words(sha256: str, read_text: Callable[[], str]) -> Corpus:
    """The words of a text in a random order, the same everywhere: its vocabulary without its syntax.

    Parameters
    ----------
    sha256 : str
        Hash of the text.
    read_text : callable
        Gives the text.

    Returns
    -------
    Corpus
    """
    return Corpus(SHUFFLED, [SHUFFLED, sha256], partial(_read_shuffled, read_text))


def _read_shuffled(read_text: Callable[[], str]) -> Iterator[Document]:
    words = read_text().replace("\0", " ").split()
    # Sorted raw words: NumPy promises that these never change.
    order = np.argsort(np.random.PCG64(_KEY).random_raw(len(words)), kind="stable")
    for start in range(0, len(words), _WORDS_PER_DOCUMENT):
        text = " ".join(words[i] for i in order[start : start + _WORDS_PER_DOCUMENT])
        yield Document(f"{SHUFFLED}:{start}", f"{SHUFFLED}:{start}", text.encode())
