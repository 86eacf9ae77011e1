"""Every source: its probabilities, entropies and sequences are of one law, by enumeration on small cases."""

import itertools

import numpy as np
import pytest

from scaling_harness.config.known_entropy import BackOffData, GrammarData, QuantaData, WalkData
from scaling_harness.data.generated import process_of
from scaling_harness.data.sources.process import entropy, uniforms

SMALL = [
    WalkData(n_nodes=5, n_edges=6),
    WalkData(graph="barabasi_albert", n_nodes=6, n_edges=12),
    BackOffData(n_tokens=4, order=2, n_customers=3),
    BackOffData(n_tokens=3, order=1, discount=0.0),
    GrammarData(n_symbols=3, n_rules=2, n_levels=2),
    QuantaData(n_digits=2, n_answers=3),
]
N_FIRST = {1: 24_000, 4: 12}
"""Values of each of so many draws that make a first token, evenly over [0, 1)."""


def kind(data):
    return f"{data.kind}-{getattr(data, 'graph', '')}"


def all_sequences(process, vocab_size, n_tokens):
    """Every sequence and its probability; that of the first token from draws all over [0, 1)."""
    each = (np.arange(N_FIRST[process.n_draws(1)]) + 0.5) / N_FIRST[process.n_draws(1)]
    draws = np.array(list(itertools.product(each, repeat=process.n_draws(1))))
    first = np.bincount(process.sequences(draws, 1)[:, 0], minlength=vocab_size) / len(draws)
    sequences = np.array(list(itertools.product(range(vocab_size), repeat=n_tokens)))
    following = np.take_along_axis(process.probs(sequences), sequences[:, 1:, None], -1)[..., 0]
    return sequences, first[sequences[:, 0]] * following.prod(1)


@pytest.mark.parametrize("data", SMALL, ids=kind)
def test_the_entropy_is_that_of_all_sequences(data):
    n_tokens = 4
    process = process_of(data)
    sequences, joint = all_sequences(process, data.vocab_size, n_tokens)
    assert joint.sum() == pytest.approx(1)
    by_position = joint @ entropy(process.probs(sequences))
    np.testing.assert_allclose(process.entropies(n_tokens), by_position, atol=1e-3)


@pytest.mark.parametrize("data", SMALL, ids=kind)
def test_sequences_are_drawn_from_the_probabilities(data):
    process = process_of(data)
    tokens = process.sequences(uniforms([1], np.arange(4000), process.n_draws(5)), 5)
    probs = process.probs(tokens)
    np.testing.assert_allclose(probs.sum(-1), 1)
    of_drawn = np.take_along_axis(probs, tokens[:, 1:, None], -1)[..., 0]
    assert (of_drawn > 0).all()
    surprise = -np.log(of_drawn).mean(1)
    assert surprise.mean() == pytest.approx(process.entropies(5).mean(), abs=4 * surprise.std() / 4000**0.5 + 1e-12)


def test_a_walk_is_along_edges_and_its_entropy_that_of_its_stationary_law():
    data = WalkData(n_nodes=30, n_edges=60)
    process = process_of(data)
    steps = process.probs(np.column_stack([np.arange(30), np.zeros(30, int)]))[:, 0]
    assert (steps > 0).sum() == 2 * data.n_edges
    np.testing.assert_array_equal(steps > 0, (steps > 0).T)
    law = np.full(30, 1.0)
    for _ in range(1000):
        law = 0.5 * law + 0.5 * law @ steps  # lazy, so that it converges on any graph
    reached = process.sequences(uniforms([2], np.arange(3000), 1), 1)[:, 0]
    assert process.entropies(3)[0] == pytest.approx((steps > 0).sum(1) @ entropy(steps) / 120)
    np.testing.assert_allclose(np.bincount(reached, minlength=30) / 3000, (steps > 0).sum(1) / 120, atol=0.02)


def test_new_nodes_of_a_barabasi_albert_graph_prefer_those_of_many_edges():
    steps = process_of(WalkData(graph="barabasi_albert", n_nodes=200, n_edges=600)).probs(
        np.column_stack([np.arange(200), np.zeros(200, int)])
    )[:, 0]
    degrees = (steps > 0).sum(1)
    assert degrees.min() == 3
    assert degrees[:10].mean() > 3 * degrees[100:].mean()


def test_an_order_k_source_forgets_what_is_older():
    process = process_of(BackOffData(n_tokens=5, order=2))
    one, other = np.array([[0, 1, 2, 0]]), np.array([[4, 1, 2, 0]])
    assert np.array_equal(process.probs(one)[:, 2], process.probs(other)[:, 2])
    assert not np.array_equal(process.probs(one)[:, 1], process.probs(other)[:, 1])


def test_the_entropy_of_a_sentence_is_that_of_its_rules():
    data = GrammarData(n_symbols=4, n_rules=3, n_levels=3)
    process = process_of(data)
    after_first = process.entropies(8).sum()
    trees = np.log(4) + 7 * np.log(3)
    draws = uniforms([3], np.arange(40_000), process.n_draws(1))
    first = np.bincount(process.sequences(draws, 1)[:, 0]) / 40_000
    assert after_first + entropy(first) == pytest.approx(trees, abs=1e-3)
    np.testing.assert_allclose(process.entropies(17)[8:], process.entropies(9), atol=1e-12)


def test_an_answer_is_certain_and_the_exponents_are_those_of_the_theory():
    data = QuantaData(n_digits=3, n_answers=4, exponent=1.0)
    assert data.predicted == {"alpha_N": 1.0, "alpha_D": 0.5}
    entropies = process_of(data).entropies(7)
    assert entropies[1] == entropies[4] == 0
    assert entropies[0] == pytest.approx(entropies[3])


@pytest.mark.parametrize("data", SMALL, ids=kind)
def test_another_seed_is_another_structure(data):
    tokens = np.array(list(itertools.product(range(data.vocab_size), repeat=3)))
    other = process_of(type(data)(**{**vars_of(data), "structure_seed": 2}))
    assert not np.array_equal(process_of(data).probs(tokens), other.probs(tokens))


def vars_of(data):
    return {name: getattr(data, name) for name in data.__dataclass_fields__}


def test_the_numbers_are_pinned():
    # A change here changes every run of the same fingerprint: bump prepare.FORMAT with it.
    assert uniforms([10, 0, 0, 1], np.array([5]), 2).tolist() == [[0.06585926157296251, 0.9782272640156726]]
    process = process_of(WalkData(n_nodes=50, n_edges=200))
    assert process.sequences(uniforms([0], np.arange(1), 5), 5).tolist() == [[29, 8, 19, 3, 46]]
