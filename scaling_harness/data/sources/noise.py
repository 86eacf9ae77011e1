"""Noise tokens mixed into any source (Kaplan et al. 2020, section 6.3): the loss moves by a known amount.

After the first token each is noise with probability p: one of m tokens of its own, all as probable; the others go on
where the source was. With H(p) = -p ln p - (1 - p) ln(1 - p) the loss becomes H(p) + p ln m + (1 - p) times the loss of
the source, at contexts that are shorter by the noise in them.
"""

from dataclasses import dataclass

import numpy as np

from scaling_harness.data.sources.process import entropy


@dataclass(frozen=True)
class Noise:
    """Noise at rate p of m tokens, which come after the V tokens of the source."""

    rate: float
    n_noise_tokens: int
    vocab_size: int
    """V of the source, without the noise."""

    @property
    def own_entropy(self) -> float:
        """What the noise adds to the loss of a token, nats: H(p) + p ln m."""
        return float(entropy(np.array([self.rate, 1 - self.rate])) + self.rate * np.log(self.n_noise_tokens))

    def mixed(self, tokens_WS: np.ndarray, draws_WK: np.ndarray) -> np.ndarray:
        """Mix noise into sequences, with 2 S uniform numbers each; the last tokens of the source give way."""
        n_tokens = tokens_WS.shape[1]
        is_noise_WS = draws_WK[:, :n_tokens] < self.rate
        is_noise_WS[:, 0] = False
        noise_WS = self.vocab_size + (draws_WK[:, n_tokens:] * self.n_noise_tokens).astype(np.int64)
        kept_WS = np.take_along_axis(tokens_WS, np.cumsum(~is_noise_WS, axis=1) - 1, axis=1)
        return np.where(is_noise_WS, noise_WS, kept_WS)

    def without(self, tokens_WS: np.ndarray) -> np.ndarray:
        """The source's tokens alone, moved together; zeros after them."""
        is_noise_WS = tokens_WS >= self.vocab_size
        order = np.argsort(is_noise_WS, axis=1, kind="stable")
        return np.take_along_axis(np.where(is_noise_WS, 0, tokens_WS), order, axis=1)

    def probs(self, tokens_WS: np.ndarray, source_WTV: np.ndarray) -> np.ndarray:
        """Law of each token after the first, from that of the source's tokens (of `without`)."""
        n_before = np.cumsum(tokens_WS < self.vocab_size, axis=1)[:, :-1]
        next_WTV = np.take_along_axis(source_WTV, n_before[..., None] - 1, axis=1)
        noise = np.full((*next_WTV.shape[:2], self.n_noise_tokens), self.rate / self.n_noise_tokens)
        return np.concatenate([(1 - self.rate) * next_WTV, noise], axis=-1)

    def entropies(self, source_T: np.ndarray) -> np.ndarray:
        """Exact entropies, from those of the source by the number of its tokens before."""
        weights = np.zeros(len(source_T))  # of the number of the source's tokens so far, from 1
        weights[0] = 1.0
        entropies = np.empty(len(source_T))
        for t in range(len(source_T)):
            entropies[t] = self.own_entropy + (1 - self.rate) * (weights @ source_T)
            weights = self.rate * weights + (1 - self.rate) * np.concatenate([[0.0], weights[:-1]])
        return entropies
