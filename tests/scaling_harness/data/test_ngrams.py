"""Bounds of entropies on a source whose entropies are known."""

import numpy as np
import pytest

from scaling_harness.data.ngrams import entropy_bounds


def chain(n_sequences, rng, length=64):
    """A Markov chain of three symbols: its transitions, its law, and sequences of it."""
    P = np.array([[0.8, 0.15, 0.05], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6]])
    values, vectors = np.linalg.eig(P.T)
    law = np.real(vectors[:, np.argmax(np.real(values))])
    law /= law.sum()
    tokens = [rng.choice(3, n_sequences, p=law)]
    for _ in range(length - 1):
        tokens.append((rng.random(n_sequences)[:, None] > P.cumsum(1)[tokens[-1]]).sum(1))
    return P, law, np.stack(tokens, axis=1)


def entropy(p):
    return -(p * np.log(p)).sum(-1)


def test_the_bounds_hold_the_entropies_of_a_chain():
    P, law, tokens = chain(600, np.random.default_rng(0))
    bounds = entropy_bounds(tokens[:500], tokens[500:], 3, 3)
    exact = [entropy(law), *[law @ entropy(P)] * 3]
    for (low, high), truth in zip(bounds, exact, strict=True):
        assert low - 0.01 <= truth <= high + 0.01
        assert high - low < 0.03


def test_the_bounds_part_where_tokens_run_out():
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 50, (60, 40))  # independent: the entropy is ln 50 after any context
    bounds = entropy_bounds(tokens[:40], tokens[40:], 3, 50)
    assert all(low <= np.log(50) for low, _ in bounds)
    assert all(high >= np.log(50) - 0.05 for _, high in bounds)
    assert bounds[0][1] - bounds[0][0] < 0.1
    assert bounds[3][0] < 0.2  # 1,480 grams of four tokens: each context was seen once
    assert bounds[3][1] == pytest.approx(min(high for _, high in bounds))
