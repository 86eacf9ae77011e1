"""A few windows repeated among the unique ones."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_harness.config.known_entropy import WalkData
from scaling_harness.config.schema import RepeatedData
from scaling_harness.data.open_source import open_source
from scaling_harness.data.prepare import prepare
from scaling_harness.data.repeated import RepeatedTokens
from scaling_harness.errors import UserError

N_CTX, BATCH = 8, 4
WALK = WalkData(n_nodes=200, n_edges=900)


class Numbered:
    """Window w of a seed holds the number w; those of another seed are negative."""

    evaluation_sets, truth = ("valid",), None

    def batch(self, seed, i):
        first = np.arange(i * BATCH, (i + 1) * BATCH) + 1
        return np.repeat((first if seed == 0 else -first)[:, None], N_CTX + 1, axis=1)

    def evaluation_windows(self, name, n_tokens):
        return np.zeros((2, N_CTX + 1))


def windows(fraction, n_repeated, n_batches=50):
    source = RepeatedTokens(RepeatedData(WALK, fraction, n_repeated), Numbered(), N_CTX, BATCH)
    return np.concatenate([source.batch(0, i)[:, 0] for i in range(n_batches)])


def test_every_tenth_window_is_of_the_few_in_turn_and_the_others_are_as_before():
    found = windows(0.1, 3 * N_CTX)
    repeats = found[9::10]
    assert set(repeats) == {-1, -2, -3}
    assert [list(repeats).count(-w) for w in (1, 2, 3)] == [7, 7, 6]
    rest = np.delete(found, np.arange(9, 200, 10))
    assert list(rest) == [w for w in range(1, 201) if w % 10]


@pytest.mark.parametrize(("fraction", "share"), [(0.0, 0.0), (0.37, 0.37), (1.0, 1.0)])
def test_the_share_is_the_fraction(fraction, share):
    assert np.mean(windows(fraction, N_CTX) < 0) == pytest.approx(share, abs=0.01)


def test_of_prepared_data_evaluation_and_entropy_are_those_of_the_source(tmp_path):
    data = RepeatedData(WALK, 0.5, 16)
    info, base = prepare(data, (), tmp_path), prepare(WALK, (), tmp_path)
    assert (info.vocab_size, info.label) == (base.vocab_size, "walk, 0.5 of it repeats of 16 tokens")
    assert len({base.data_id, info.data_id, prepare(replace(data, fraction=0.4), (), tmp_path).data_id}) == 3
    source, plain = (open_source(d, i, N_CTX, BATCH) for d, i in ((data, info), (WALK, base)))
    np.testing.assert_array_equal(source.evaluation_windows("test", 64), plain.evaluation_windows("test", 64))
    assert source.truth is not None
    assert not np.array_equal(source.batch(3, 0), plain.batch(3, 0))
    np.testing.assert_array_equal(source.batch(3, 0)[::2], plain.batch(3, 0)[::2])


def test_fewer_tokens_than_a_context_are_a_sentence():
    with pytest.raises(UserError, match="n_repeated_tokens 5 is less than one context of 8"):
        windows(0.1, 5)
