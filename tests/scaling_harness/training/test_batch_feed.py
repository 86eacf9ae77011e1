"""A thread that gathers ahead changes neither the batches nor their order, and ends."""

import threading

import numpy as np
import pytest
import torch

from scaling_harness.training.batch_feed import BatchFeed


class Counting:
    """A source whose batch says what it is, and which notes who reads it."""

    def __init__(self):
        self.threads, self.fails_at = set(), None

    def batch(self, seed, i):
        self.threads.add(threading.current_thread().name)
        if i == self.fails_at:
            raise OSError("the disk is gone")
        return np.full((4, 3), 100 * seed + i, dtype=np.int64) + np.arange(4)[:, None]


def feed(source, ahead, seeds=(1, 2)):
    return BatchFeed(source, seeds, slice(1, None, 2), "cpu", ahead)


@pytest.fixture
def closing():
    feeds = []
    yield lambda *arguments: feeds.append(feed(*arguments)) or feeds[-1]
    for each in feeds:
        each.close()


@pytest.mark.parametrize("steps", [range(5), (3, 4, 5), (0, 1, 7, 8, 2)])
def test_batches_are_those_gathered_one_by_one(closing, steps):
    ahead, alone = closing(Counting(), True), closing(Counting(), False)
    for step in steps:
        batch = ahead.batch(step)
        assert torch.equal(batch, alone.batch(step))
        assert batch[:, :, 0].tolist() == [[100 * seed + step + part for part in (1, 3)] for seed in (1, 2)]


def test_one_thread_alone_reads_the_source(closing):
    source = Counting()
    ahead = closing(source, True)
    ahead.batch(0)
    assert ahead.call(lambda of, i: of.batch(1, i), 9)[0, 0] == 109
    assert ahead.batch(1)[0, 0, 0] == 102
    assert source.threads == {"batches_0"}


def test_an_error_of_the_source_arrives_with_its_batch(closing):
    source = Counting()
    ahead = closing(source, True)
    source.fails_at = 1
    ahead.batch(0)
    with pytest.raises(OSError, match="the disk is gone"):
        ahead.batch(1)


def test_a_closed_feed_leaves_no_thread():
    ahead = feed(Counting(), True)
    ahead.batch(0)
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
