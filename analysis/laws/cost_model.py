"""What compute is in terms of N and D: 6 N D, or a smooth C(N, D); and a law's optimum under it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array, Rows
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN, Law, Optimum, derive, terms_in_n_and_d, why_no_optimum
from analysis.to_json import document

LOG_SIZES = (-60.0, 140.0)  # ln N in which an optimum is looked for
BISECTIONS = 64

Terms = tuple[Array, Array, Array, Array]
"""A, B, alpha and beta."""


@dataclass(frozen=True)
class CostModel:
    """C = k N^n_power D^d_power (1 + overhead N^-overhead_power)^side.

    Attributes
    ----------
    k : float
        FLOP per parameter and token if both powers are 1.
    n_power, d_power : float
    overhead, overhead_power : float
        What small models cost beyond k N D, such as attention, embedding or a head that N does not count.
    side : 1 or -1
        -1: small models cost less, such as an embedding that N counts and C does not.
    ratio : (float, float)
        Least and largest C / 6 N D of the runs.
    rms_error, largest_error : float
        Of ln C of the runs.
    budgets : tuple of float
        Of the runs: the exponents a and b are slopes over these.
    """

    k: float = FLOPS_PER_PARAM_TOKEN
    n_power: float = 1.0
    d_power: float = 1.0
    overhead: float = 0.0
    overhead_power: float = 0.0
    side: int = 1
    ratio: tuple[float, float] = (1.0, 1.0)
    rms_error: float = 0.0
    largest_error: float = 0.0
    budgets: tuple[float, ...] = ()

    @property
    def proportional(self) -> bool:
        """Whether C = k N D, under which the exponents a and b add up to 1 and are those of 6 N D."""
        return self.n_power == self.d_power == 1.0 and self.overhead == 0.0

    @property
    def convention(self) -> str:
        """What `compare` knows it by: "6ND", as in published constants, or the formula."""
        return "6ND" if self.formula == SIX_ND.formula else self.formula

    @property
    def formula(self) -> str:
        """C as a formula of N and D."""
        powers = f"{self.k:.4g} N{_power(self.n_power)} D{_power(self.d_power)}"
        sign = "/ " if self.side < 0 else ""
        return f"{powers} {sign}(1 + {self.overhead:.4g} N^-{self.overhead_power:.3g})" if self.overhead else powers

    def flops(self, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
        """C of sizes and tokens."""
        N, D = np.asarray(n_params, float), np.asarray(n_tokens, float)
        if self.proportional:
            return self.k * N * D
        return np.exp(self._log_per_token(np.log(N)) + self.d_power * np.log(D))

    def tokens(self, train_flops: ArrayLike, n_params: ArrayLike) -> Array:
        """D that a budget gives a size."""
        C, N = np.asarray(train_flops, float), np.asarray(n_params, float)
        return C / (self.k * N) if self.proportional else np.exp(self.log_tokens(C, np.log(N)))

    def log_tokens(self, train_flops: ArrayLike, log_n: Array) -> Array:
        """Ln D that a budget gives a size of this ln N."""
        C = np.asarray(train_flops, float)
        if self.proportional:
            return np.log(C / self.k) - log_n
        return (np.log(C) - self._log_per_token(log_n)) / self.d_power

    def slope(self, log_n: Array) -> Array:
        """D ln C / d ln N at fixed D."""
        extra = self.overhead * np.exp(-self.overhead_power * log_n)
        return self.n_power - self.side * self.overhead_power * extra / (1 + extra)

    def _log_per_token(self, log_n: Array) -> Array:
        """Ln C at D = 1."""
        extra = np.log1p(self.overhead * np.exp(-self.overhead_power * log_n))
        return np.log(self.k) + self.n_power * log_n + self.side * extra


SIX_ND = CostModel()


@document.register
def _(cost: CostModel) -> dict[str, Any]:
    return {"formula": cost.formula, **asdict(cost)}


def cost_from(saved: Mapping[str, Any] | None) -> CostModel:
    """A cost model from its JSON; 6 N D for fits saved before there was one."""
    if saved is None:
        return SIX_ND
    fields: dict[str, Any] = {name: value for name, value in saved.items() if name != "formula"}
    fields |= {name: tuple(saved[name]) for name in ("ratio", "budgets")}
    return CostModel(**fields)


def _power(value: float) -> str:
    written = f"{value:.3g}"
    return "" if written == "1" else f"^{written}"


def optimal_under(cost: CostModel, law: Law, params: Mapping[str, ArrayLike], train_flops: ArrayLike) -> Optimum:
    """The N and D of lowest loss at a budget.

    Parameters
    ----------
    cost : CostModel
        What N and D cost.
    law : Law
        One with one term in N and one in D.
    params : mapping
        Its parameters; they and the FLOPs broadcast.
    train_flops : array_like
        The budget.

    Returns
    -------
    Optimum
        NaN for parameters with an exponent at zero, unless C = k N D.

    Raises
    ------
    ValueError
        For a law without an optimum.
    """
    if cost.proportional:
        return law.optimal(params, train_flops, cost.k)
    arrays, C = {name: np.asarray(value, float) for name, value in params.items()}, np.asarray(train_flops, float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        terms = _terms(cost, law, arrays)

        def too_large(log_n: Array) -> Rows:
            return _log_tokens_there(cost, terms, log_n) > cost.log_tokens(C, log_n)

        log_n = _bisect(too_large, np.broadcast_shapes(terms[0].shape, C.shape))
        log_n = np.where((terms[2] > 0) & (terms[3] > 0), log_n, np.nan)
        n_params, n_tokens = np.exp(log_n), np.exp(cost.log_tokens(C, log_n))
        return Optimum(n_params, n_tokens, law.predict(arrays, N=n_params, D=n_tokens))


def compute_on_frontier(cost: CostModel, law: Law, params: Mapping[str, ArrayLike], loss: ArrayLike) -> Array:
    """The budget whose optimum has a loss, for a law with an optimum; parameters and losses broadcast."""
    arrays, loss = {name: np.asarray(value, float) for name, value in params.items()}, np.asarray(loss, float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        terms = _terms(cost, law, arrays)

        def better(log_n: Array) -> Rows:
            return law.predict(arrays, N=np.exp(log_n), D=np.exp(_log_tokens_there(cost, terms, log_n))) < loss

        log_n = _bisect(better, np.broadcast_shapes(terms[0].shape, loss.shape))
        return cost.flops(np.exp(log_n), np.exp(_log_tokens_there(cost, terms, log_n)))


def _terms(cost: CostModel, law: Law, params: Mapping[str, Array]) -> Terms:
    terms = terms_in_n_and_d(params, law)
    if terms is None:
        raise ValueError(f"{law.name} has no optimum under C = {cost.formula}: {why_no_optimum(law)}")
    A, B, alpha, beta = np.broadcast_arrays(*terms)
    return A, B, alpha, beta


def _log_tokens_there(cost: CostModel, terms: Terms, log_n: Array) -> Array:
    """Ln D for which this ln N is the best: a last FLOP on either lowers the loss by the same.

    There alpha A N^-alpha = s beta B D^-beta, s = (d ln C / d ln N) / (d ln C / d ln D).
    """
    A, B, alpha, beta = terms
    log_s = np.log(cost.slope(log_n) / cost.d_power)
    return (alpha * log_n + log_s - np.log(alpha * A) + np.log(beta * B)) / beta


def _bisect(above: Callable[[Array], Rows], shape: tuple[int, ...]) -> Array:
    """Ln N from which ``above`` holds."""
    low, high = (np.full(shape, end) for end in LOG_SIZES)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_above = above(middle)
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
    return (low + high) / 2


def derive_under(cost: CostModel, law: Law, params: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """What follows from the parameters, see `law.derive`; a and b as slopes over the budgets if not C = k N D."""
    derived = derive(law, params)
    if cost.proportional or "a" not in derived:
        return derived
    columns = {name: np.asarray(value, float)[..., None] for name, value in params.items()}
    best = optimal_under(cost, law, columns, np.array(cost.budgets))
    x = np.log(cost.budgets) - np.log(cost.budgets).mean()
    slopes = {"a": np.log(best.n_params) @ x / (x @ x), "b": np.log(best.n_tokens) @ x / (x @ x)}
    return {name: value for name, value in derived.items() if name != "G"} | slopes
