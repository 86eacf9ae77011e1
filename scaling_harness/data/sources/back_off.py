"""An order-k source with Pitman-Yor back-off (Teh 2006): the law of interpolated Kneser-Ney smoothing, as a truth.

Without context tokens follow a Zipf law. Each longer context has a Chinese restaurant of n customers, whose new tables
are served from the law of the context without its oldest token: P(x | c) = sum over tables of x of (size - d) / (theta
+ n) + (theta + d tables) / (theta + n) P(x | shorter c). A sequence starts without context.
"""

import numpy as np

from scaling_harness.config.known_entropy import BackOffData
from scaling_harness.data.sources.process import entropy, inverse_cdf, uniforms, zipf

_STRUCTURE = 1


class BackOff:
    """See `Process`. Its tables of order j have shape (V ** j, V), contexts by their tokens, the newest last."""

    def __init__(self, data: BackOffData) -> None:
        self._n_symbols, self._order = data.n_tokens, data.order
        self._tables = [zipf(data.n_tokens, data.zipf_exponent)[None]]
        for order in range(1, data.order + 1):
            shorter = np.arange(data.n_tokens**order) % data.n_tokens ** (order - 1)
            self._tables.append(_served(data, self._tables[-1][shorter], order))
        self._cumulated = [table.cumsum(-1) for table in self._tables]

    def n_draws(self, n_tokens: int) -> int:  # noqa: D102
        return n_tokens

    def sequences(self, draws_WK: np.ndarray, n_tokens: int) -> np.ndarray:  # noqa: D102
        tokens_WS = np.empty((len(draws_WK), n_tokens), np.int64)
        for t in range(n_tokens):
            tokens_WS[:, t] = inverse_cdf(
                self._cumulated[min(t, self._order)][self._contexts(tokens_WS, t)], draws_WK[:, t]
            )
        return tokens_WS

    def entropies(self, n_tokens: int) -> np.ndarray:  # noqa: D102
        joint = self._tables[0].reshape(-1)
        entropies = []
        for t in range(1, n_tokens):
            table = self._tables[min(t, self._order)]
            entropies.append(joint @ entropy(table))
            joint = joint[:, None] * table
            joint = (joint.reshape(self._n_symbols, -1).sum(0) if t >= self._order else joint).reshape(-1)
        return np.array(entropies)

    def probs(self, tokens_WS: np.ndarray) -> np.ndarray:  # noqa: D102
        return np.stack(
            [self._tables[min(t, self._order)][self._contexts(tokens_WS, t)] for t in range(1, tokens_WS.shape[1])],
            axis=1,
        )

    def _contexts(self, tokens_WS: np.ndarray, t: int) -> np.ndarray:
        """Rows of the tokens before token t in the table of its order."""
        context_W = np.zeros(len(tokens_WS), np.int64)
        for token_W in tokens_WS[:, max(0, t - self._order) : t].T:
            context_W = context_W * self._n_symbols + token_W
        return context_W


def _served(data: BackOffData, shorter_CV: np.ndarray, order: int) -> np.ndarray:
    """Seat the customers of every context at once; the law of the next one."""
    n, d, theta = data.n_customers, data.discount, data.concentration
    contexts = np.arange(len(shorter_CV))
    cumulated_CV = shorter_CV.cumsum(1)
    draws = uniforms([_STRUCTURE, data.structure_seed, order], contexts, 2 * n)
    size_CT, dish_CT = np.zeros((len(contexts), n)), np.zeros((len(contexts), n), np.int64)
    for customer in range(n):
        n_tables = (size_CT > 0).sum(1)
        weights = np.where(size_CT > 0, size_CT - d, 0.0)
        weights = np.column_stack([weights, theta + d * n_tables])
        table = inverse_cdf(weights.cumsum(1), draws[:, customer])
        new = table == n
        table[new] = n_tables[new]
        dish_CT[contexts[new], table[new]] = inverse_cdf(cumulated_CV[new], draws[new, n + customer])
        size_CT[contexts, table] += 1
    law_CV = (theta + d * (size_CT > 0).sum(1))[:, None] * shorter_CV
    np.add.at(law_CV, (contexts[:, None], dish_CT), np.where(size_CT > 0, size_CT - d, 0.0))
    return law_CV / (theta + n)
