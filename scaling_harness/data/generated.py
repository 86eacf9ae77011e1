"""Generated tokens as a `TokenSource`: windows of a process by their index, and noise mixed into another source."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from scaling_harness.data.batches import BatchSampler
from scaling_harness.data.sources.noise import Noise
from scaling_harness.data.sources.process import Process, uniforms
from scaling_harness.data.token_source import TokenSource, Truth

if TYPE_CHECKING:
    from scaling_harness.config.known_entropy import GeneratedData
    from scaling_harness.config.schema import NoiseData

_TOKENS, _NOISE = 10, 11
"""First word of the keys of uniform numbers; those below are of the sources' structures."""
_STREAMS = {"train": 0, "valid": 1, "test": 2}


class GeneratedTokens:
    """Windows of a process, each a sequence of its own; see `open_source`."""

    def __init__(self, data: "GeneratedData", n_ctx: int, batch_seqs: int) -> None:
        self._process = process_of(data)
        self._seed, self._n_ctx, self._batch_seqs = data.structure_seed, n_ctx, batch_seqs
        self._n_windows = data.n_unique_tokens and data.n_unique_tokens // n_ctx
        self._orders: dict[int, BatchSampler] = {}

    def batch(self, seed: int, i: int) -> np.ndarray:
        """Windows that are new for ever; or, of a limited number, each once an epoch in an order of the seed."""
        if self._n_windows is None:
            first = i * self._batch_seqs
            return self._windows("train", np.arange(first, first + self._batch_seqs), seed + 1)
        if seed not in self._orders:
            self._orders[seed] = BatchSampler(np.arange(self._n_windows + 1), 1, self._batch_seqs, seed)
        return self._windows("train", self._orders[seed].batch(i)[:, 0])

    @property
    def evaluation_sets(self) -> tuple[str, ...]:  # noqa: D102
        return ("valid", "test")

    def evaluation_windows(self, name: str, n_tokens: int) -> np.ndarray:  # noqa: D102
        return self._windows(name, np.arange(max(1, -(-n_tokens // self._n_ctx))))

    @property
    def truth(self) -> Truth:  # noqa: D102
        return Truth(self._process.entropies(self._n_ctx + 1), self._process.probs)

    def _windows(self, stream: str, indices: np.ndarray, seed: int = 0) -> np.ndarray:
        n_tokens = self._n_ctx + 1
        key = [_TOKENS, self._seed, _STREAMS[stream], seed]
        return self._process.sequences(uniforms(key, indices, self._process.n_draws(n_tokens)), n_tokens)


class NoisyTokens:
    """Tokens of another source with noise among them; see `Noise`."""

    def __init__(self, data: "NoiseData", source: TokenSource, vocab_size: int) -> None:
        self._noise = Noise(data.rate, data.n_noise_tokens, vocab_size)
        self._seed, self._source = data.structure_seed, source

    def batch(self, seed: int, i: int) -> np.ndarray:  # noqa: D102
        windows = self._source.batch(seed, i)
        first = i * len(windows)
        return self._mixed("train", windows, np.arange(first, first + len(windows)), seed + 1)

    @property
    def evaluation_sets(self) -> tuple[str, ...]:  # noqa: D102
        return self._source.evaluation_sets

    def evaluation_windows(self, name: str, n_tokens: int) -> np.ndarray:  # noqa: D102
        windows = self._source.evaluation_windows(name, n_tokens)
        return self._mixed(name, windows, np.arange(len(windows)))

    @property
    def truth(self) -> Truth | None:
        """That of the source, moved by the noise; None if the source has none."""
        of_source = self._source.truth
        if of_source is None:
            return None

        def probs(windows: np.ndarray) -> np.ndarray:
            return self._noise.probs(windows, of_source.probs(self._noise.without(windows)))

        return Truth(self._noise.entropies(of_source.entropies_T), probs)

    def _mixed(self, stream: str, windows: np.ndarray, indices: np.ndarray, seed: int = 0) -> np.ndarray:
        draws = uniforms([_NOISE, self._seed, _STREAMS[stream], seed], indices, 2 * windows.shape[1])
        return self._noise.mixed(windows, draws)


@functools.lru_cache(maxsize=4)
def process_of(data: "GeneratedData") -> Process:
    """Build the process of some settings."""
    if data.kind == "walk":
        from scaling_harness.data.sources.walk import Walk

        return Walk(data)
    if data.kind == "back_off":
        from scaling_harness.data.sources.back_off import BackOff

        return BackOff(data)
    if data.kind == "grammar":
        from scaling_harness.data.sources.grammar import Grammar

        return Grammar(data)
    from scaling_harness.data.sources.quanta import Quanta

    return Quanta(data)
