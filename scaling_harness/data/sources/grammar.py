"""A hierarchical grammar, after the random hierarchy model (Cagnetta et al. 2024, arXiv 2307.02129; 2505.07067).

A sentence is a binary tree: its root is a symbol, each symbol is rewritten as a pair by one of its own m rules, and the
lowest level are the tokens. No two symbols share a pair, so that whole subtrees are known from their tokens: a sentence
has the entropy ln V + (2 ** L - 1) ln m, and a token depends on those before only through the left siblings of its
ancestors, over which the entropy of each position is summed exactly. Sentences follow each other; a sequence starts
with one.
"""

import numpy as np

from scaling_harness.config.known_entropy import GrammarData
from scaling_harness.data.sources.process import entropy, uniforms

_STRUCTURE = 2


class Grammar:
    """See `Process`. A pair of symbols (a, b) has the code a V + b."""

    def __init__(self, data: GrammarData) -> None:
        V, m = data.n_symbols, data.n_rules
        self._n_symbols, self._n_rules, self._n_levels = V, m, data.n_levels
        self._length = 2**data.n_levels
        order = np.argsort(uniforms([_STRUCTURE, data.structure_seed], np.zeros(1, np.int64), V * V)[0], kind="stable")
        self._rules_Vm = order[: V * m].reshape(V, m)
        self._parent = np.zeros(V * V, np.int64)  # pairs without a rule never occur
        self._parent[self._rules_Vm] = np.arange(V)[:, None]
        self._pairs_VVV = np.zeros((V, V * V))
        np.put_along_axis(self._pairs_VVV, self._rules_Vm, 1 / m, axis=1)
        self._pairs_VVV = self._pairs_VVV.reshape(V, V, V)

    def n_draws(self, n_tokens: int) -> int:  # noqa: D102
        return self._n_sentences(n_tokens) * self._length

    def sequences(self, draws_WK: np.ndarray, n_tokens: int) -> np.ndarray:  # noqa: D102
        draws = draws_WK.reshape(-1, self._length)
        symbols = (draws[:, :1] * self._n_symbols).astype(np.int64)
        for level in range(self._n_levels):
            own = draws[:, 2**level : 2 ** (level + 1)]
            pairs = self._rules_Vm[symbols, (own * self._n_rules).astype(np.int64)]
            symbols = np.stack(np.divmod(pairs, self._n_symbols), axis=-1).reshape(len(draws), -1)
        return symbols.reshape(len(draws_WK), -1)[:, :n_tokens]

    def entropies(self, n_tokens: int) -> np.ndarray:  # noqa: D102
        of_sentence = np.array([self._entropy_at(t) for t in range(self._length)])
        return of_sentence[np.arange(1, n_tokens) % self._length]

    def _entropy_at(self, position: int) -> float:
        """Of a token given those before: the known left siblings come first in `joint`, the ancestor last."""
        joint = np.full((1, self._n_symbols), 1 / self._n_symbols)
        for level in reversed(range(self._n_levels)):
            pairs = np.tensordot(joint, self._pairs_VVV, 1)
            is_right = position >> level & 1
            joint = pairs.reshape(-1, self._n_symbols) if is_right else pairs.sum(-1)
        return float(entropy(joint.ravel()) - entropy(joint.sum(-1)))

    def block_entropies(self) -> np.ndarray:
        """Mean entropy of a token given its place and those before it in its block of 2^l tokens, l = 0 to L, nats.

        It is that of the symbol at the block's top and of its rules, over the number of tokens: the loss of a learner
        that knows all rules up to level l.
        """
        tops = np.array([entropy(laws_PV).mean() for laws_PV in self._laws()])
        n_tokens = 2.0 ** np.arange(self._n_levels + 1)
        return (tops + (n_tokens - 1) * np.log(self._n_rules)) / n_tokens

    def correlations(self) -> np.ndarray:
        """Norm of the covariance of two tokens that a block of 2^l joins, l = 1 to L, mean over such pairs."""
        left_VV, right_VV = self._pairs_VVV.sum(2), self._pairs_VVV.sum(1)
        norms, paths_NVV = [], np.eye(self._n_symbols)[None]  # law of each token below a symbol, by the symbol
        for laws_PV in self._laws()[1:]:
            joint_PVV = np.tensordot(laws_PV, self._pairs_VVV, 1)
            covariance_PVV = joint_PVV - joint_PVV.sum(2)[:, :, None] * joint_PVV.sum(1)[:, None]
            of_pairs = np.einsum("iva,pvw,jwb->pijab", paths_NVV, covariance_PVV, paths_NVV, optimize=True)
            norms.append(np.linalg.norm(of_pairs, 2, axis=(-2, -1)).mean())
            paths_NVV = np.concatenate([left_VV @ paths_NVV, right_VV @ paths_NVV])
        return np.array(norms)

    def _laws(self) -> list[np.ndarray]:
        """Law of the symbol at each place of each level, from the tokens up."""
        left_VV, right_VV = self._pairs_VVV.sum(2), self._pairs_VVV.sum(1)
        laws = [np.full((1, self._n_symbols), 1 / self._n_symbols)]
        for _ in range(self._n_levels):
            laws.append(np.stack([laws[-1] @ left_VV, laws[-1] @ right_VV], axis=1).reshape(-1, self._n_symbols))
        return laws[::-1]

    def probs(self, tokens_WS: np.ndarray) -> np.ndarray:  # noqa: D102
        n_windows, n_tokens = tokens_WS.shape
        whole = self._n_sentences(n_tokens) * self._length
        padded = np.pad(tokens_WS, ((0, 0), (0, whole - n_tokens))).reshape(-1, self._length)
        symbols = [padded]  # of each level, from the tokens up
        for _ in range(self._n_levels):
            left, right = symbols[-1][:, ::2], symbols[-1][:, 1::2]
            symbols.append(self._parent[left * self._n_symbols + right])
        laws = np.stack([self._next(symbols, t) for t in range(self._length)], axis=1)
        return laws.reshape(n_windows, whole, -1)[:, 1:n_tokens]

    def _next(self, symbols: list[np.ndarray], position: int) -> np.ndarray:
        """Law of a token of each sentence given those before: down from the root, Bayes' rule at each left sibling."""
        law = np.full((len(symbols[0]), self._n_symbols), 1 / self._n_symbols)
        for level in reversed(range(self._n_levels)):
            at = position >> level
            if at & 1:
                rules = self._pairs_VVV.transpose(1, 0, 2)[symbols[level][:, at - 1]]
                law = np.einsum("np,npb->nb", law, rules)
                law = law / np.maximum(law.sum(-1, keepdims=True), np.finfo(float).tiny)
            else:
                law = law @ self._pairs_VVV.sum(-1)
        return law

    def _n_sentences(self, n_tokens: int) -> int:
        return -(-n_tokens // self._length)
