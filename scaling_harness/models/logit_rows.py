"""How many positions' logits are held at once, which decides the memory of a large vocabulary. Needs no torch."""

LARGE_VOCAB = 8192
"""Largest vocabulary whose logits are computed at once: with larger ones they are most of a batch's memory."""
_LOGITS_AT_ONCE = 1 << 24
"""Number of logits on a CPU, 64 MB: matrix products of that size are as fast as larger ones."""
_LOGITS_AT_ONCE_ON_GPU = 1 << 28
"""Number of logits on a GPU, 1 GB: each part adds to all of the head's gradient, and starts a dozen kernels."""
_LEAST_ROWS = 128


def logit_rows(n_runs: int, vocab_size: int, n_positions: int, on_gpu: bool = False) -> int:
    """Number of positions of each run whose logits are computed at once.

    Examples
    --------
    >>> logit_rows(1, 256, n_positions=65536), logit_rows(1, 50257, n_positions=65536), logit_rows(8, 50257, 65536)
    (65536, 333, 128)
    >>> logit_rows(1, 50257, n_positions=65536, on_gpu=True)
    5341
    """
    if vocab_size <= LARGE_VOCAB:
        return n_positions
    at_once = _LOGITS_AT_ONCE_ON_GPU if on_gpu else _LOGITS_AT_ONCE
    return min(n_positions, max(_LEAST_ROWS, at_once // (n_runs * vocab_size)))
