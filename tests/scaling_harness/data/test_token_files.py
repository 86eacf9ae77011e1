import dataclasses

import numpy as np
import pytest

from scaling_harness.data.batches import BatchSampler, evaluation_windows
from scaling_harness.data.open_source import open_source
from scaling_harness.data.token_cache import open_tokens
from scaling_harness.errors import UserError


def test_batches_are_those_of_each_seeds_own_order(make_plan):
    info = make_plan().data
    source = open_source(make_plan().config.data, info, n_ctx=32, batch_seqs=4)
    for i, seed in ((0, 1), (7, 0), (3, 1), (7, 0)):
        alone = BatchSampler(open_tokens(info.train_path), 32, 4, seed)
        np.testing.assert_array_equal(source.batch(seed, i), alone.batch(i))


def test_evaluation_is_on_the_held_out_texts(make_plan):
    info = make_plan("data.test_fraction=0.2").data
    source = open_source(make_plan().config.data, info, n_ctx=32, batch_seqs=4)
    assert source.evaluation_sets == ("valid", "test")
    for name, path in (("valid", info.valid_path), ("test", info.test_path)):
        expected = evaluation_windows(open_tokens(path), 32, 500)
        np.testing.assert_array_equal(source.evaluation_windows(name, 500), expected)


def test_a_context_longer_than_a_held_out_text_is_refused(make_plan):
    info = make_plan().data
    source = open_source(make_plan().config.data, info, n_ctx=info.n_valid_tokens, batch_seqs=1)
    with pytest.raises(UserError, match=r"evaluation set valid holds \d+ tokens, less than one context"):
        source.evaluation_windows("valid", 1)


def test_a_missing_file_is_refused(make_plan, tmp_path):
    info = dataclasses.replace(make_plan().data, train_path=tmp_path / "gone.u8")
    with pytest.raises(UserError, match=r"cannot read .*gone.u8"):
        open_source(make_plan().config.data, info, n_ctx=32, batch_seqs=1)
