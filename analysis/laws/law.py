"""What a law is: L = E + (sum of power terms)^k as data; each law is a short file beside this one.

Every law of this family has the logarithm ln L = LSE(ln E, k LSE(u_1, ..., u_T)), where each u_t is
linear in the internal parameters (log coefficients and exponents); the solver gets its analytic
gradient and Hessian from that structure alone, so a new law needs no derivative of its own. A law of
repeated data puts effective N and D in the place of N and D. Any other law has a `Form`, a prediction of its own,
which the solver differentiates numerically (see ``general_law``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array

FLOPS_PER_PARAM_TOKEN = 6.0
EXPONENT_BOUNDS = (0.0, 10.0)
OUTER_BOUNDS = (1e-2, 1e2)
REPEAT_BOUNDS = (1e-2, 1e4)
EITHER_SIGN = (-10.0, 10.0)

Inputs = Mapping[str, ArrayLike]
"""Name of an input -> its values."""


@dataclass(frozen=True)
class Term:
    """One power term, coefficient * product of input^-exponent.

    Parameters
    ----------
    coefficient : str
        Name of the positive coefficient, as in the paper ("A").
    exponents : mapping
        Input name -> name of its exponent, or a number if the law fixes it.
    """

    coefficient: str
    exponents: Mapping[str, str | float]

    def value(self, params: Mapping[str, ArrayLike], inputs: Inputs) -> Array:
        """Value of the term; params and inputs broadcast."""
        log_value = np.log(np.asarray(params[self.coefficient], float))
        for name, exponent in self.exponents.items():
            power = params[exponent] if isinstance(exponent, str) else exponent
            log_value = log_value - np.asarray(power) * np.log(np.asarray(inputs[name], float))
        return np.exp(log_value)


Derived = Callable[[Mapping[str, Array]], dict[str, Array]]
"""Parameters -> quantities that follow from them, vectorised over parameter draws."""


@dataclass(frozen=True)
class OwnParam:
    """A parameter of a law's own prediction, which is neither E nor of a power term.

    Parameters
    ----------
    bounds : (float, float)
        Least and largest value.
    starts : callable
        Losses of the runs -> values that a fit starts from.
    positive : bool
        Whether it is fitted as its logarithm.
    """

    bounds: tuple[float, float]
    starts: Callable[[Array], Sequence[float]]
    positive: bool = True


@dataclass(frozen=True)
class Form:
    """A law's own prediction, in the place of E + (sum of terms)^k.

    Parameters
    ----------
    predict : callable
        (law, parameters, inputs) -> what the law predicts, smooth in the parameters; all of them broadcast.
    params : mapping of str to OwnParam
        Parameters beyond those of the law's terms and E.
    inputs : tuple of str
        Inputs beyond those of the terms.
    as_sum : callable or None
        (loss, own parameters) -> the sum of the terms and what E is in it that gives this loss: fits then start from
        coefficients by least squares. None for a law without terms.
    """

    predict: "Callable[[Law, Mapping[str, Array], Inputs], Array]"
    params: Mapping[str, OwnParam] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    as_sum: Callable[[Array, Mapping[str, Array]], Array] | None = None


@dataclass(frozen=True)
class Optimum:
    """Compute-optimal allocation; N in parameters, D in tokens, loss in nats per token."""

    n_params: Array
    n_tokens: Array
    loss_nats: Array

    @property
    def tokens_per_param(self) -> Array:
        """D / N."""
        return self.n_tokens / self.n_params


@dataclass(frozen=True)
class Law:
    """A law of the family L = E + (sum of terms)^k.

    Parameters
    ----------
    name, formula, source : str
        Short name, the equation in the paper's letters, and where it is from.
    terms : tuple of Term
    predicts : str
        Column that it predicts: L, the loss, but for laws of steps or of batches.
    offset : str or None
        Name of the irreducible loss E >= 0, None if the law has none.
    outer : str or None
        Name of the exponent k of the sum, None for k = 1.
    repeats : (str, str) or None
        Names of R_D* and R_N* of a law in which repeated tokens and excess parameters count less and
        less (see ``muennighoff``); its inputs then have U, the unique tokens.
    effective : callable or None
        (law, parameters, inputs) -> the inputs that the terms take in place of those given.
    batched : callable or None
        (law, inputs, centre) -> the law as the solver's function, if it is not a sum of powers
        (see ``batched_law.on_rows``).
    form : Form or None
        Prediction of its own; ``batched`` is then ``general_law.GeneralLaw``.
    bounds : mapping
        Exponent name -> (low, high), if other than (0, 10).
    derived : callable
        Parameters -> other quantities the paper prints (G, a, b, N_c, ...).
    fixed : mapping
        Parameters that are held -> their values (see ``constrained.hold``).
    tied : tuple of (str, str)
        Exponents that stand for two (see ``constrained.tie``).
    """

    name: str
    formula: str
    source: str
    terms: tuple[Term, ...]
    offset: str | None = "E"
    outer: str | None = None
    repeats: tuple[str, str] | None = None
    effective: "Callable[[Law, Mapping[str, Array], Inputs], Inputs] | None" = None
    batched: Callable[..., Any] | None = None
    form: Form | None = None
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    derived: Derived | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    tied: tuple[tuple[str, str], ...] = ()
    predicts: str = "L"

    @cached_property
    def n_free(self) -> int:
        """Number of the parameters that are fitted, not held."""
        return len(self.params) - len(self.fixed)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order of first use."""
        return (*self.power_inputs, *(("U",) if self.repeats else ()))

    @cached_property
    def power_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that have an exponent, or that the law's own prediction takes."""
        named = (name for term in self.terms for name in term.exponents)
        return tuple(dict.fromkeys((*named, *(self.form.inputs if self.form else ()))))

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the positive coefficients."""
        return tuple(term.coefficient for term in self.terms)

    @cached_property
    def exponents(self) -> tuple[str, ...]:
        """Names of the free exponents, in order of first use."""
        named = (p for term in self.terms for p in term.exponents.values() if isinstance(p, str))
        return tuple(dict.fromkeys(named))

    @cached_property
    def params(self) -> tuple[str, ...]:
        """Names of all parameters: E, coefficients, exponents, k, R_D* and R_N*, those of its own prediction."""
        return (
            *([self.offset] if self.offset else []),
            *self.coefficients,
            *self.exponents,
            *([self.outer] if self.outer else []),
            *(self.repeats or ()),
            *self.own,
        )

    @cached_property
    def own(self) -> Mapping[str, OwnParam]:
        """Parameters of its own prediction."""
        return self.form.params if self.form else {}

    @cached_property
    def positive(self) -> tuple[str, ...]:
        """Names of the parameters that are fitted as logarithms: all but the exponents, and of its own those said."""
        signed = {*self.exponents, *(name for name, own in self.own.items() if not own.positive)}
        return tuple(name for name in self.params if name not in signed)

    def predict(self, params: Mapping[str, ArrayLike], **inputs: ArrayLike) -> Array:
        """Loss at the inputs (same units as in the fit); params and inputs broadcast.

        U, the unique tokens of a law of repeated data, is D if it is not given.
        """
        taken: Inputs = inputs
        if self.form:
            return self.form.predict(self, {name: np.asarray(value, float) for name, value in params.items()}, inputs)
        if self.effective:
            taken = self.effective(self, {name: np.asarray(value, float) for name, value in params.items()}, inputs)
        total = self.sum_of_terms(params, taken)
        power = total ** np.asarray(params[self.outer]) if self.outer else total
        return power + np.asarray(params[self.offset]) if self.offset else power

    def sum_of_terms(self, params: Mapping[str, ArrayLike], inputs: Inputs) -> Array:
        """Sum of the power terms at the inputs, without E."""
        return sum((term.value(params, inputs) for term in self.terms), start=np.zeros(()))

    def optimal(
        self,
        params: Mapping[str, ArrayLike],
        train_flops: ArrayLike,
        flops_per_param_token: float = FLOPS_PER_PARAM_TOKEN,
    ) -> Optimum:
        """The N and D of lowest loss under C = 6 N D (Hoffmann et al. 2022, eq. 4).

        Holds for every law with one N term and one D term, whatever E and k are, and for one of its own form that
        rises with their sum; in a law of repeated data all tokens are then unique.

        Raises
        ------
        ValueError
            For a law without one term in N and one in D.
        """
        budget = np.asarray(train_flops, float) / flops_per_param_token
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # NaN if an exponent is zero
            split = frontier({name: np.asarray(value, float) for name, value in params.items()}, self)
            if not split:
                raise ValueError(f"{self.name} has no optimum under C = 6 N D: {why_no_optimum(self)}")
            n_params = split["G"] * budget ** split["a"]
            n_tokens = budget ** split["b"] / split["G"]
            return Optimum(n_params, n_tokens, self.predict(params, N=n_params, D=n_tokens))


def why_no_optimum(law: Law) -> str:
    """Sentence for a law that C = 6 N D alone gives no optimum."""
    if "S" in law.inputs:
        return (
            f"{law.formula} spends C = 6 N B S, and does not say how many tokens B a step takes; "
            "give the batch (`forecast --batch`)"
        )
    return f"{law.formula} does not have one term in N and one in D"


def frontier(params: Mapping[str, Array], law: Law) -> dict[str, Array]:
    """Exponents a, b and G of N_opt = G (C/6)^a, D_opt = (C/6)^b / G; empty without them."""
    two = terms_in_n_and_d(params, law)
    if two is None:
        return {}
    A, B, alpha, beta = two
    total = alpha + beta
    return {
        "a": beta / total,
        "b": alpha / total,
        "G": np.exp((np.log(alpha * A) - np.log(beta * B)) / total),
    }


def terms_in_n_and_d(params: Mapping[str, Array], law: Law) -> tuple[Array, Array, Array, Array] | None:
    """A, B, alpha and beta of a law whose terms are A/N^alpha and B/D^beta; None for another."""
    by_input = {tuple(term.exponents): term for term in law.terms}
    if set(by_input) != {("N",), ("D",)}:
        return None
    term_n, term_d = by_input["N",], by_input["D",]
    alpha, beta = (
        params[p] if isinstance(p, str) else np.asarray(p) for p in (term_n.exponents["N"], term_d.exponents["D"])
    )
    return params[term_n.coefficient], params[term_d.coefficient], alpha, beta


def gives_exponents(law: Law) -> bool:
    """Whether a law has one term in N and one in D, and so an N_opt that grows as a power of C."""
    return {tuple(term.exponents) for term in law.terms} == {("N",), ("D",)} and not law.repeats


def derive(law: Law, params: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Everything that follows from the parameters: the frontier and the law's own extras."""
    arrays = {name: np.asarray(value, float) for name, value in params.items()}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return {**frontier(arrays, law), **(law.derived(arrays) if law.derived else {})}
