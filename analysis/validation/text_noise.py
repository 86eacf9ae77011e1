"""How far the losses of models, compared with each other, depend on which held-out text they were measured on."""

from collections.abc import Sequence

import numpy as np

from analysis.arrays import Array

LIMIT = 0.3
"""Largest share of the noise of seeds: a fit then needs no term for the text."""
MIN_BLOCKS = 16


def text_noise(block_losses: Sequence[Sequence[float]], resamples: int = 1000, seed: int = 0) -> float | None:
    """Relative noise of a run's loss from the choice of the held-out text, without what all runs have in common.

    A paired bootstrap over blocks of consecutive windows: each resample draws the same blocks for every run, and what
    the resample does to the mean over runs is taken off, as it moves the E of a law and nothing else.

    Parameters
    ----------
    block_losses : sequence of R sequences of B floats
        Nats per token on each block of the text, of each run.
    resamples, seed : int
        Number of resamples, and their seed.

    Returns
    -------
    float or None
        Root mean square over runs of the standard deviation of ln L; None with fewer than two runs or `MIN_BLOCKS`
        blocks, or if runs have different numbers of blocks.
    """
    if len(block_losses) < 2 or len({len(blocks) for blocks in block_losses}) != 1:
        return None
    losses_RB: Array = np.asarray(block_losses, float)
    n_blocks = losses_RB.shape[1]
    if n_blocks < MIN_BLOCKS:
        return None
    rng = np.random.default_rng(seed)
    shares_KB = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=resamples) / n_blocks
    means_KR = shares_KB @ losses_RB.T
    apart_KR = means_KR - means_KR.mean(axis=1, keepdims=True)
    return float(np.sqrt(np.mean((apart_KR.std(axis=0) / losses_RB.mean(axis=1)) ** 2)))
