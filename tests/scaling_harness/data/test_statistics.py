"""Statistics of generated tokens, calculated and counted."""

import numpy as np
import pytest

from scaling_harness.config.known_entropy import GrammarData, WalkData
from scaling_harness.data.prepare import prepare
from scaling_harness.data.sources.grammar import Grammar
from scaling_harness.data.statistics import measure
from scaling_harness.errors import UserError

SMALL = GrammarData(n_symbols=4, n_rules=2, n_levels=3)


def of(data, tmp_path, **options):
    sizes = {"n_tokens": 12_800, "longest": 3, "context": 64} | options
    return measure(data, prepare(data, (), tmp_path), **sizes)


def test_a_grammar_is_calculated_and_ends_at_the_entropy_of_its_windows(tmp_path):
    found = of(SMALL, tmp_path)
    assert found.n_tokens == 0
    assert [each.n for each in found.entropies] == [1, 2, 4, 8]
    assert found.entropies[-1].low == pytest.approx(Grammar(SMALL).entropies(9).mean())
    assert found.entropies[0].low == pytest.approx(np.log(4), abs=0.3)
    assert found.entropy_rate == pytest.approx(np.log(2))


def test_the_correlations_of_a_grammar_are_those_of_its_sentences():
    grammar = Grammar(SMALL)
    tokens = grammar.sequences(np.random.default_rng(0).random((20_000, grammar.n_draws(8))), 8)
    found = grammar.correlations()
    for level, pairs in ((1, [(0, 1), (2, 3), (4, 5), (6, 7)]), (3, [(a, b) for a in range(4) for b in range(4, 8)])):
        norms = []
        for a, b in pairs:
            joint = np.bincount(4 * tokens[:, a] + tokens[:, b], minlength=16).reshape(4, 4) / len(tokens)
            norms.append(np.linalg.norm(joint - np.outer(joint.sum(1), joint.sum(0)), 2))
        assert np.mean(norms) == pytest.approx(found[level - 1], abs=0.006)


def test_a_walk_is_counted_and_its_entropy_lies_between_the_bounds(tmp_path):
    found = of(WalkData(n_nodes=24, n_edges=60), tmp_path)
    assert found.n_tokens == 12_800
    assert found.entropies[1].low - 0.02 <= found.entropy_rate <= found.entropies[1].high + 0.02
    assert [each.n for each in found.correlations][:3] == [1, 2, 3]
    assert found.correlations[-1].n == 32
    assert of(SMALL, tmp_path, counted=True).n_tokens == 12_800


def test_a_context_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(UserError, match="entropy, 64, is not between 1 and those of 64 tokens"):
        of(SMALL, tmp_path, longest=64)
