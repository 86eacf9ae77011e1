"""Random walks on a graph, after Barkeshli et al. (2026, arXiv 2601.10684).

A walk starts at a node with probability as its degree, so that every step has the entropy sum_i d_i ln d_i / sum_i d_i.
What is to be learned is the list of edges, which a small model cannot keep.
"""

import numpy as np

from scaling_harness.config.known_entropy import WalkData
from scaling_harness.data.sources.process import uniforms

_STRUCTURE = 0


class Walk:
    """See `Process`."""

    def __init__(self, data: WalkData) -> None:
        make = _erdos_renyi if data.graph == "erdos_renyi" else _barabasi_albert
        ends_E2 = make(data)
        both = np.concatenate([ends_E2, ends_E2[:, ::-1]])
        both = both[np.lexsort((both[:, 1], both[:, 0]))]
        self._n_nodes = data.n_nodes
        self._neighbours = both[:, 1]
        self._degree = np.bincount(both[:, 0], minlength=data.n_nodes)
        self._first = np.cumsum(self._degree) - self._degree

    def n_draws(self, n_tokens: int) -> int:  # noqa: D102
        return n_tokens

    def sequences(self, draws_WK: np.ndarray, n_tokens: int) -> np.ndarray:  # noqa: D102
        tokens_WS = np.empty((len(draws_WK), n_tokens), np.int64)
        # The end of a random edge is a node with probability as its degree.
        tokens_WS[:, 0] = self._neighbours[(draws_WK[:, 0] * len(self._neighbours)).astype(np.int64)]
        for t in range(1, n_tokens):
            at = tokens_WS[:, t - 1]
            step = (draws_WK[:, t] * self._degree[at]).astype(np.int64)
            tokens_WS[:, t] = self._neighbours[self._first[at] + step]
        return tokens_WS

    def entropies(self, n_tokens: int) -> np.ndarray:  # noqa: D102
        degree = self._degree[self._degree > 0]
        return np.full(n_tokens - 1, (degree * np.log(degree)).sum() / degree.sum())

    def probs(self, tokens_WS: np.ndarray) -> np.ndarray:  # noqa: D102
        at = tokens_WS[:, :-1].ravel()
        degree = self._degree[at]
        row = np.repeat(np.arange(len(at)), degree)
        within = np.arange(len(row)) - np.repeat(np.cumsum(degree) - degree, degree)
        probs = np.zeros((len(at), self._n_nodes))
        probs[row, self._neighbours[self._first[at][row] + within]] = 1 / degree[row]
        return probs.reshape(*tokens_WS[:, :-1].shape, -1)


def _erdos_renyi(data: WalkData) -> np.ndarray:
    """So many different pairs, each set of them as probable."""
    n, codes, part = data.n_nodes, np.empty(0, np.int64), 0
    while len(codes) < data.n_edges:
        ends = uniforms([_STRUCTURE, data.structure_seed], np.array([part]), 4 * data.n_edges).reshape(-1, 2)
        low, high = np.sort((ends * n).astype(np.int64), axis=1).T
        codes = np.concatenate([codes, (low * n + high)[low != high]])
        codes = codes[np.sort(np.unique(codes, return_index=True)[1])]  # the first of each, in order
        part += 1
    return np.stack(np.divmod(codes[: data.n_edges], n), axis=1)


def _barabasi_albert(data: WalkData) -> np.ndarray:
    """Each new node is joined to so many different ones, drawn with probability as their degree."""
    m = data.n_edges // data.n_nodes
    edges = [(i, j) for i in range(m + 1) for j in range(i)]  # the first nodes are all joined
    ends = [node for edge in edges for node in edge]
    for node in range(m + 1, data.n_nodes):
        chosen, part = list[int](), 0
        while len(chosen) < m:
            for u in uniforms([_STRUCTURE, data.structure_seed, node], np.array([part]), 4 * m)[0]:
                chosen.append(ends[int(u * len(ends))])
            chosen, part = list(dict.fromkeys(chosen)), part + 1
        edges += [(node, other) for other in chosen[:m]]
        ends += [end for other in chosen[:m] for end in (node, other)]
    return np.array(edges)
