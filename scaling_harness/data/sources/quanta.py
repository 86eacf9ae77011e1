"""Zipf quanta (Michaud et al. 2023, arXiv 2303.13506): questions drawn by a power law, each with an answer of its own.

A sequence is triples: two digits, which together are a question, and its answer. A model that has room for the n most
frequent answers lacks a probability as n^-alpha, and one that has seen D tokens those rarer than 1 / D: the reducible
loss falls as N^-alpha and D^-(alpha / (1 + alpha)). The entropy is that of the questions alone.
"""

import numpy as np

from scaling_harness.config.known_entropy import QuantaData
from scaling_harness.data.sources.process import entropy, uniforms, zipf

_STRUCTURE = 3


class Quanta:
    """See `Process`. Tokens are the digits, then the answers."""

    def __init__(self, data: QuantaData) -> None:
        n = data.n_digits**2
        order, answers = uniforms([_STRUCTURE, data.structure_seed], np.arange(2), n)
        self._n_digits, self._vocab_size = data.n_digits, data.vocab_size
        self._codes = np.argsort(order, kind="stable")  # of the questions, the most frequent first
        self._ranked = zipf(n, 1 + data.exponent)
        self._joint = np.empty(n)
        self._joint[self._codes] = self._ranked
        self._joint = self._joint.reshape(data.n_digits, data.n_digits)
        self._answers = data.n_digits + (answers * data.n_answers).astype(np.int64)

    def n_draws(self, n_tokens: int) -> int:  # noqa: D102
        return -(-n_tokens // 3)

    def sequences(self, draws_WK: np.ndarray, n_tokens: int) -> np.ndarray:  # noqa: D102
        cumulated = self._ranked.cumsum()
        codes = self._codes[np.searchsorted(cumulated, draws_WK * cumulated[-1], side="right")]
        triples = np.stack([*np.divmod(codes, self._n_digits), self._answers[codes]], axis=-1)
        return triples.reshape(len(draws_WK), -1)[:, :n_tokens]

    def entropies(self, n_tokens: int) -> np.ndarray:  # noqa: D102
        first = entropy(self._joint.sum(1))
        of_triple = np.array([first, entropy(self._joint.ravel()) - first, 0.0])
        return of_triple[np.arange(1, n_tokens) % 3]

    def probs(self, tokens_WS: np.ndarray) -> np.ndarray:  # noqa: D102
        n_windows, n_tokens = tokens_WS.shape
        probs = np.zeros((n_windows, n_tokens, self._vocab_size))
        digits = np.minimum(tokens_WS, self._n_digits - 1)  # padding and answers have no role there
        probs[:, ::3, : self._n_digits] = self._joint.sum(1)
        second = digits[:, 0 : n_tokens - 1 : 3]
        conditional = self._joint / self._joint.sum(1, keepdims=True)
        probs[:, 1::3, : self._n_digits] = conditional[second]
        codes = digits[:, 0 : n_tokens - 2 : 3] * self._n_digits + digits[:, 1 : n_tokens - 1 : 3]
        np.put_along_axis(probs[:, 2::3], self._answers[codes][..., None], 1.0, axis=-1)
        return probs[:, 1:]
