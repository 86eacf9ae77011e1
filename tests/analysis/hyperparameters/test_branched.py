"""The local critical batch from branches of several batches, by hand-made losses."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.hyperparameters.branched import branches_of, is_branched, local_batches
from scaling_harness.errors import HarnessError


def branches(losses, N=1e4, start=1e5):
    return pd.DataFrame(
        [{"N": N, "start": start, "B": B, "seed": s, "L": L} for B, L in losses.items() for s in (0, 1)]
    )


def test_the_largest_batch_within_the_tolerance_of_every_smaller_one():
    (found,) = local_batches(branches({128: 2.0, 256: 1.995, 512: 2.004, 1024: 2.006}))
    assert (found.batch, found.next_batch, found.loss_nats) == (512, 1024, 2.0)  # 1024 is .011 above 256
    assert found.middle == pytest.approx(np.sqrt(512 * 1024))


def test_a_batch_above_one_that_loses_may_still_be_the_largest():
    (found,) = local_batches(branches({128: 2.0, 256: 2.02, 512: 2.009, 1024: 2.011}))
    assert (found.batch, found.next_batch) == (512, 1024)


def test_the_largest_tried_is_a_bound_and_the_smallest_is_always_kept():
    first, second = local_batches(
        pd.concat([branches({128: 2.0, 256: 2.0}, start=1e5), branches({128: 2.0, 256: 2.1}, start=2e5)])
    )
    assert (first.batch, first.next_batch, first.middle) == (256, np.inf, 256)
    assert (second.start_tokens, second.batch, second.next_batch) == (2e5, 128, 256)


def test_means_over_seeds_are_compared():
    noisy = branches({128: 2.0, 256: 2.0}).assign(L=[1.99, 2.01, 2.019, 1.999])
    assert local_batches(noisy)[0].batch == 256


def test_branched_runs_are_known_by_their_schedule():
    schedule = {"kind": "branched", "start_tokens": 640}
    frame = pd.DataFrame(
        {"N": 1e4, "batch_tokens": [128, 128], "seed": 0, "L": 2.0,
         "schedule": [json.dumps(schedule), json.dumps({"kind": "constant"})]}
    )  # fmt: skip
    assert list(is_branched(frame)) == [True, False]
    assert not is_branched(frame.drop(columns="schedule")).any()
    assert branches_of(frame[:1]).to_dict("records") == [{"N": 1e4, "start": 640, "B": 128, "seed": 0, "L": 2.0}]
    with pytest.raises(HarnessError, match="branches of two batches or more"):
        local_batches(branches_of(frame[:1]))
