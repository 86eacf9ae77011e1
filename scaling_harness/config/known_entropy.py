"""The schema of data that is generated: sources whose entropy is known exactly (`scaling_harness/data/sources`)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")
MAX_TABLE = 1 << 22
"""Largest number of probabilities that a source keeps: 32 MB."""
Finite = Field(allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class _Generated:
    structure_seed: NonNegativeInt = 0
    """Decides the graph, the grammar and so on, and with the run's seed the tokens."""
    n_unique_tokens: PositiveInt | None = None
    """Number of distinct training tokens, the same for every seed of a run; null for tokens that never repeat."""
    max_epochs: Annotated[float, Field(ge=1.0)] = 1.0
    """Largest number of passes over the training tokens, if these are limited."""


@dataclass(frozen=True, config=_STRICT)
class WalkData(_Generated):
    """Random walks on a graph: each token is a neighbour of the token before."""

    graph: Literal["erdos_renyi", "barabasi_albert"] = "erdos_renyi"
    n_nodes: Annotated[int, Field(ge=2, le=65536)] = 1024
    """V."""
    n_edges: PositiveInt = 5120
    """Of a Barabasi-Albert graph, `n_edges / n_nodes` of every new node."""
    kind: Literal["walk"] = "walk"

    def __post_init__(self) -> None:
        n_pairs = self.n_nodes * (self.n_nodes - 1) // 2
        if self.n_edges > n_pairs:
            raise ValueError(f"n_edges {self.n_edges} is above the {n_pairs} pairs of {self.n_nodes} nodes: lower it")
        if self.graph == "barabasi_albert" and (self.n_edges % self.n_nodes or self.n_edges >= self.n_nodes**2 // 2):
            raise ValueError(
                f"n_edges {self.n_edges} is not a small multiple of n_nodes {self.n_nodes}: in a Barabasi-Albert graph "
                "every new node has n_edges / n_nodes edges"
            )

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.n_nodes


@dataclass(frozen=True, config=_STRICT)
class BackOffData(_Generated):
    """An order-k source: Pitman-Yor back-off from each context to the one shorter by a token, down to a Zipf law."""

    n_tokens: Annotated[int, Field(ge=2, le=65536)] = 64
    """V."""
    order: PositiveInt = 2
    """Number of tokens before that decide the next one."""
    discount: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    concentration: Annotated[float, Field(gt=0.0), Finite] = 0.5
    n_customers: PositiveInt = 8
    """Of the restaurant of each context; the more, the rarer it backs off."""
    zipf_exponent: Annotated[float, Field(ge=0.0), Finite] = 1.0
    """Of the tokens without context, and so of contexts."""
    kind: Literal["back_off"] = "back_off"

    def __post_init__(self) -> None:
        size = float(self.n_tokens) ** (self.order + 1)
        if size > MAX_TABLE:
            raise ValueError(
                f"order {self.order} of {self.n_tokens} tokens needs {size:.2g} probabilities for its exact entropy, "
                f"above the limit of {MAX_TABLE:.2g}: lower order or n_tokens"
            )

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.n_tokens


@dataclass(frozen=True, config=_STRICT)
class GrammarData(_Generated):
    """A hierarchical grammar: each symbol is a pair of symbols of the level below, by one of its own rules."""

    n_symbols: Annotated[int, Field(ge=2, le=4096)] = 16
    """V: symbols of each level; those of the lowest are the tokens."""
    n_rules: PositiveInt = 4
    """Rules of each symbol, all as probable; no two symbols share a pair."""
    n_levels: PositiveInt = 3
    """A sentence is 2 to this power tokens."""
    kind: Literal["grammar"] = "grammar"

    def __post_init__(self) -> None:
        if self.n_rules > self.n_symbols:
            raise ValueError(
                f"{self.n_rules} rules of each of {self.n_symbols} symbols are more than the pairs there are, so that "
                "sentences would be ambiguous and their entropy not known: lower n_rules"
            )
        size = float(self.n_symbols) ** (self.n_levels + 1)
        if size > MAX_TABLE:
            raise ValueError(
                f"{self.n_levels} levels of {self.n_symbols} symbols need {size:.2g} probabilities for the exact "
                f"entropy, above the limit of {MAX_TABLE:.2g}: lower n_levels or n_symbols"
            )

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.n_symbols


@dataclass(frozen=True, config=_STRICT)
class QuantaData(_Generated):
    """Questions of two tokens, by a power law, each with one answer (Michaud et al. 2023, arXiv 2303.13506)."""

    n_digits: Annotated[int, Field(ge=2, le=2048)] = 64
    """A question is two of them, so that there are n_digits squared."""
    n_answers: Annotated[int, Field(ge=2, le=65536)] = 64
    exponent: Annotated[float, Field(gt=0.0), Finite] = 0.5
    """Question of rank k has probability as k^-(1 + exponent)."""
    kind: Literal["quanta"] = "quanta"

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.n_digits + self.n_answers

    @property
    def predicted(self) -> dict[str, float]:
        """Exponents of the reducible loss that the theory predicts: alpha_N at D without limit, alpha_D at N."""
        return {"alpha_N": self.exponent, "alpha_D": self.exponent / (1 + self.exponent)}


GeneratedData = WalkData | BackOffData | GrammarData | QuantaData
