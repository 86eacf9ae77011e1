import numpy as np
import pytest

from scaling_harness.data.batches import BatchSampler, evaluation_windows, n_unique_tokens
from scaling_harness.errors import UserError


def epoch_inputs(tokens, n_ctx, batch_seqs, seed):
    sampler = BatchSampler(tokens, n_ctx, batch_seqs, seed)
    n_batches = n_unique_tokens(len(tokens), n_ctx) // n_ctx // batch_seqs
    return np.concatenate([sampler.batch(i) for i in range(n_batches)])


@pytest.mark.parametrize(("n_tokens", "n_ctx", "batch_seqs"), [(1000, 7, 2), (4097, 128, 4), (513, 8, 64), (9, 8, 1)])
def test_an_epoch_visits_each_token_at_most_once_and_all_windows(n_tokens, n_ctx, batch_seqs):
    # The tokens are their own positions, so that what was visited can be read off.
    inputs = epoch_inputs(np.arange(n_tokens), n_ctx, batch_seqs, seed=3)[:, :-1]
    assert len(np.unique(inputs)) == inputs.size == n_unique_tokens(n_tokens, n_ctx)
    assert n_tokens - inputs.size <= n_ctx


def test_windows_are_contiguous_and_carry_the_next_token():
    batch = BatchSampler(np.arange(1000), 16, 4, seed=0).batch(5)
    assert batch.shape == (4, 17)
    assert batch.dtype == np.int64
    assert (np.diff(batch, axis=1) == 1).all()


def test_no_order_of_asking_changes_a_batch():
    tokens = np.arange(500)
    wanted = [BatchSampler(tokens, 8, 5, seed=1).batch(i) for i in range(40)]
    sampler = BatchSampler(tokens, 8, 5, seed=1)
    for i in np.random.default_rng(0).permutation(40):
        np.testing.assert_array_equal(sampler.batch(int(i)), wanted[i])


def test_a_batch_across_the_end_of_an_epoch_continues_with_the_next():
    tokens = np.arange(81)  # ten windows of 8
    by_one = [BatchSampler(tokens, 8, 1, seed=2).batch(i)[0] for i in range(36)]
    by_twelve = [row for i in range(3) for row in BatchSampler(tokens, 8, 12, seed=2).batch(i)]
    np.testing.assert_array_equal(by_one, by_twelve)
    for epoch in range(3):
        assert sorted(row[0] for row in by_one[10 * epoch : 10 * epoch + 10]) == list(range(0, 80, 8))


def test_seeds_and_epochs_differ_in_order_and_offset():
    tokens = np.arange(128 * 100 + 60)
    first = [BatchSampler(tokens, 128, 1, seed).batch(i)[0, 0] for seed in (0, 1) for i in (0, 100)]
    assert len(set(first)) == 4
    assert len({start % 128 for start in first}) == 4


def test_the_order_is_pinned():
    # A change here changes every run of the same fingerprint: bump plan.NUMERICS_VERSION with it.
    assert [int(BatchSampler(np.arange(100), 10, 1, seed=0).batch(i)[0, 0]) for i in range(4)] == [21, 11, 1, 71]


def test_the_order_is_uniform():
    # Where the first of 16 windows lands over many seeds: chi-squared with 15 degrees of freedom, 99.9 % below 37.7.
    landed = [BatchSampler(np.arange(129), 8, 1, seed).batch(0)[0, 0] // 8 for seed in range(3200)]
    counts = np.bincount(landed, minlength=16)
    assert ((counts - 200) ** 2 / 200).sum() < 37.7


def test_a_corpus_smaller_than_one_context_is_refused():
    with pytest.raises(UserError, match=r"training split holds 128 tokens, less than one context of 128.*n_ctx"):
        n_unique_tokens(128, 128)
    with pytest.raises(UserError, match="training split"):
        BatchSampler(np.zeros(5, np.uint8), 5, 1, seed=0)
    with pytest.raises(UserError, match="code holds 3 tokens"):
        evaluation_windows(np.zeros(3, np.uint8), 8, 100, "code")
    assert n_unique_tokens(129, 128) == 128


def test_evaluation_windows_spread_over_all_tokens():
    tokens = np.arange(10_001, dtype=np.uint16)
    windows = evaluation_windows(tokens, 10, 200)
    assert windows.shape == (20, 11)
    np.testing.assert_array_equal(windows[:, 0], np.arange(0, 10_000, 500))
    assert (np.diff(windows, axis=1) == 1).all()


@pytest.mark.parametrize("wanted", [1000, 10**9, 997])
def test_evaluation_windows_are_all_there_are_where_more_are_wanted(wanted):
    windows = evaluation_windows(np.arange(1001), 10, wanted)
    np.testing.assert_array_equal(windows[:, :-1].ravel(), np.arange(1000))


def test_evaluation_rounds_up_to_a_window():
    assert evaluation_windows(np.arange(1001), 10, 3).shape == (1, 11)


def test_a_subset_is_the_same_for_every_seed_and_inside_a_larger_one():
    tokens = np.arange(1000)

    def seen(train_tokens, seed, n_batches):
        sampler = BatchSampler(tokens, 8, 2, seed, train_tokens)
        return [tuple(window) for i in range(n_batches) for window in sampler.batch(i)]

    first, other, larger = seen(100, 0, 6), seen(100, 1, 6), seen(400, 0, 25)
    assert len(set(first)) == 12  # one epoch of 96 tokens
    assert first != other
    assert set(first) == set(other) < set(larger)
    assert set(seen(100, 0, 30)) == set(first)  # later epochs show no other tokens
    assert {window[0] % 8 for window in larger} == {0}


@pytest.mark.parametrize("train_tokens", [7, 1000])
def test_a_subset_is_between_a_context_and_the_text(train_tokens):
    with pytest.raises(UserError, match=f"data.train_tokens is {train_tokens}: a subset has at least one context of 8"):
        BatchSampler(np.arange(1000), 8, 2, 0, train_tokens)
