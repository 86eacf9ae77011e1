"""Entropy of the next token given the n before it, from counts: two estimates that hold the truth between them.

Counts that predict the tokens they were counted on say too little (conditional entropy is concave in the joint law),
and counts that predict other tokens say too much (their cross-entropy is that of a model that is not the truth). They
agree as long as the n-grams are seen often enough, and part where the tokens run out.
"""

import numpy as np


def entropy_bounds(
    train_WS: np.ndarray, held_out_WS: np.ndarray, n_most: int, vocab_size: int
) -> list[tuple[float, float]]:
    """Bound the entropies of the next token given the n before it, for n up to ``n_most``.

    Parameters
    ----------
    train_WS, held_out_WS : ndarray of int
        Sequences of tokens to count, and others to predict; contexts do not reach over the ends of a sequence.
    n_most : int
        Longest context.
    vocab_size : int
        V.

    Returns
    -------
    list of (low, high)
        For contexts of n = 0, 1, ... tokens, nats: the entropy of the counts themselves, and the cross-entropy of the
        other tokens by the counts with absolute discounting. A longer context never says less, so that an upper bound
        holds for all longer ones.
    """
    split = len(train_WS)
    tokens_WS = np.concatenate([train_WS, held_out_WS]).astype(np.int64)
    ending_WS = np.zeros_like(tokens_WS)  # number of the gram of n tokens that ends at each token
    predicted = np.full(held_out_WS[:, n_most:].size, 1 / vocab_size)
    bounds = []
    for _ in range(n_most + 1):
        before_WS = np.pad(ending_WS, ((0, 0), (1, 0)))[:, :-1]
        ending_WS = _renumbered(before_WS * vocab_size + tokens_WS)
        gram_WT, context_WT = ending_WS[:, n_most:], before_WS[:, n_most:]
        entropy, predicted = _predict(gram_WT, context_WT, split, predicted)
        bounds.append((entropy, float(-np.log(predicted).mean())))
    high = np.minimum.accumulate([high for _, high in bounds]).tolist()
    return [(low, at) for (low, _), at in zip(bounds, high, strict=True)]


def _predict(gram_WT: np.ndarray, context_WT: np.ndarray, split: int, shorter: np.ndarray) -> tuple[float, np.ndarray]:
    """Entropy of the grams before the split given their contexts, and the probabilities of those after it."""
    counted, of_context = gram_WT[:split].ravel(), context_WT[:split].ravel()
    n_grams, n_contexts = int(gram_WT.max()) + 1, int(context_WT.max()) + 1
    counts, totals = np.bincount(counted, minlength=n_grams), np.bincount(of_context, minlength=n_contexts)
    context_of = np.full(n_grams, -1)
    context_of[counted] = of_context
    kinds = np.bincount(context_of[context_of >= 0], minlength=n_contexts)  # different tokens after each context
    at, given = gram_WT[split:].ravel(), context_WT[split:].ravel()
    predicted = _discounted(counts[at], totals[given], kinds[given], _discount(counts), shorter)
    return _entropy(counts) - _entropy(totals), predicted


def _renumbered(codes: np.ndarray) -> np.ndarray:
    """The same codes as numbers from 0 without gaps."""
    return np.unique(codes, return_inverse=True)[1].reshape(codes.shape)


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _discount(counts: np.ndarray) -> float:
    """Ney's estimate from the grams seen once and twice."""
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once else 0.0


def _discounted(
    count: np.ndarray, total: np.ndarray, kinds: np.ndarray, discount: float, shorter: np.ndarray
) -> np.ndarray:
    """Absolute discounting: what is taken from grams seen goes to the law of the shorter context."""
    seen = np.maximum(total, 1)
    own = (np.maximum(count - discount, 0) + discount * kinds * shorter) / seen
    return np.where(total > 0, own, shorter)
