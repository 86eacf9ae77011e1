"""How many positions' logits are held at once, which decides the memory of a large vocabulary. Needs no torch."""

LARGE_VOCAB = 8192
"""Largest vocabulary whose logits are computed at once: with larger ones they are most of a batch's memory."""
_LOGITS_AT_ONCE = 1 << 24
"""Number of logits, 64 MB: matrix products of that size are as fast as larger ones."""
_LEAST_ROWS = 128


def logit_rows(n_runs: int, vocab_size: int, n_positions: int) -> int:
    """Number of positions of each run whose logits are computed at once.

    Examples
    --------
    >>> logit_rows(1, 256, n_positions=65536), logit_rows(1, 50257, n_positions=65536), logit_rows(8, 50257, 65536)
    (65536, 333, 128)
    """
    if vocab_size <= LARGE_VOCAB:
        return n_positions
    return min(n_positions, max(_LEAST_ROWS, _LOGITS_AT_ONCE // (n_runs * vocab_size)))
