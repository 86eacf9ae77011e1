"""Correlations of tokens n apart: C(n) = P(x_t, x_{t+n}) - P(x_t) P(x_{t+n}), and its largest singular value.

The norm of a counted matrix is too large by its noise. Here half of the sequences chooses the singular vectors and the
other half measures along them, both ways, so that the noise has mean zero.
"""

from collections.abc import Sequence

import numpy as np

from scaling_harness.errors import UserError
from scaling_harness.record.corpus_statistics import LagCorrelation

MAX_VOCABULARY = 1024


def lag_correlations(tokens_WS: np.ndarray, lags: Sequence[int], vocab_size: int) -> tuple[LagCorrelation, ...]:
    """Measure the norm of C(n) at some lags.

    Parameters
    ----------
    tokens_WS : ndarray of int
        Sequences in a random order.
    lags : sequence of int
        Distances n, below the length of a sequence.
    vocab_size : int
        V.

    Returns
    -------
    tuple of LagCorrelation

    Raises
    ------
    UserError
        The matrices are too large, or there are fewer than two sequences.
    """
    if vocab_size > MAX_VOCABULARY:
        raise UserError(
            f"a vocabulary of {vocab_size} tokens is above the limit of {MAX_VOCABULARY} for matrices of correlations: "
            "use a smaller one, such as data.tokenizer='{kind: bpe, vocab_size: 1024}'"
        )
    if len(tokens_WS) < 2:
        raise UserError("correlations are measured on two halves of the sequences, and there is one: count more tokens")
    halves = np.array_split(tokens_WS.astype(np.int64), 2)
    return tuple(_at(n, [_covariance(half, n, vocab_size) for half in halves], halves) for n in lags)


def _covariance(tokens_WS: np.ndarray, n: int, vocab_size: int) -> np.ndarray:
    codes = tokens_WS[:, :-n] * vocab_size + tokens_WS[:, n:]
    joint = np.bincount(codes.ravel(), minlength=vocab_size**2).reshape(vocab_size, vocab_size) / codes.size
    return joint - np.outer(joint.sum(1), joint.sum(0))


def _at(n: int, covariances: Sequence[np.ndarray], halves: Sequence[np.ndarray]) -> LagCorrelation:
    """Mean of what each half measures along the vectors of the other, and its error if pairs were independent."""
    values, variances = [], []
    for chosen, measured, half in zip(covariances, covariances[::-1], halves[::-1], strict=True):
        left, _, right = np.linalg.svd(chosen)
        values.append(left[:, 0] @ measured @ right[0])
        first, second = half[:, :-n], half[:, n:]
        variances.append((left[:, 0] ** 2)[first].mean() * (right[0] ** 2)[second].mean() / first.size)
    return LagCorrelation(int(n), float(np.mean(values)), float(np.sqrt(np.sum(variances)) / 2))
