"""Kaplan et al. 2020: one-variable laws, L(N, D), L(N, S), and the optimum of L(N, S), which needs the batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN, Derived, Law, Optimum, Term
from scaling_harness.errors import UserError


def _scale(name: str) -> Derived:
    """X_c of (X_c/X)^alpha from A = X_c^alpha."""
    return lambda params: {name: params["A"] ** (1 / params["alpha"])}


def _one_variable(symbol: str, offset: bool) -> Law:
    """Kaplan's power law in one variable, with or without an irreducible loss."""
    lower = symbol.lower()
    return Law(
        name=f"kaplan_l{lower}" + ("_offset" if offset else ""),
        formula=f"L({symbol}) = " + ("E + " if offset else "") + f"A/{symbol}^alpha",
        source={
            "N": "Kaplan et al. 2020, eq. 1.1",
            "D": "Kaplan et al. 2020, eq. 1.2",
            "C": "Kaplan et al. 2020, eq. 3.3 and 1.3",
        }[symbol],
        terms=(Term("A", {symbol: "alpha"}),),
        offset="E" if offset else None,
        derived=_scale(f"{symbol}_c"),
    )


kaplan_ln, kaplan_ln_offset = _one_variable("N", offset=False), _one_variable("N", offset=True)
kaplan_ld, kaplan_ld_offset = _one_variable("D", offset=False), _one_variable("D", offset=True)
kaplan_lc, kaplan_lc_offset = _one_variable("C", offset=False), _one_variable("C", offset=True)

kaplan_ln_d = Law(
    name="kaplan_ln_d",
    formula="L(N,D) = [(N_c/N)^(alpha_N/alpha_D) + D_c/D]^alpha_D",
    source="Kaplan et al. 2020, eq. 1.5",
    terms=(Term("A", {"N": "ratio"}), Term("D_c", {"D": 1.0})),
    offset=None,
    outer="alpha_D",
    derived=lambda params: {
        "alpha_N": params["ratio"] * params["alpha_D"],
        "N_c": params["A"] ** (1 / params["ratio"]),
    },
)
kaplan_ln_d_footnote = Law(
    name="kaplan_ln_d_footnote",
    formula="L(N,D) = [A/N^alpha + B/D^beta]^k",
    source="Kaplan et al. 2020, section 4.1, footnote: [(N_c/N)^alpha_N + (D_c/D)^alpha_D]^beta",
    terms=(Term("A", {"N": "alpha"}), Term("B", {"D": "beta"})),
    offset=None,
    outer="k",
    derived=lambda params: {
        "N_c": params["A"] ** (1 / params["alpha"]),
        "D_c": params["B"] ** (1 / params["beta"]),
    },
)
kaplan_ln_s = Law(
    name="kaplan_ln_s",
    formula="L(N,S) = A/N^alpha + B/S^beta",
    source="Kaplan et al. 2020, eq. 1.6: alpha_N, alpha_S; S is S_min, the steps at a large batch",
    terms=(Term("A", {"N": "alpha"}), Term("B", {"S": "beta"})),
    offset=None,
    derived=lambda params: {
        "N_c": params["A"] ** (1 / params["alpha"]),
        "S_c": params["B"] ** (1 / params["beta"]),
    },
)


@dataclass(frozen=True)
class Batch:
    """Tokens a step as a function of the loss, B = scale / L^power.

    Parameters
    ----------
    scale : float
        Tokens; of a fixed batch, the batch itself.
    power : float
        0 for a fixed batch, 1 / alpha_B for a critical batch (Kaplan et al. 2020, eq. 1.4).
    """

    scale: float
    power: float = 0.0

    def tokens(self, loss: ArrayLike) -> Array:
        """Tokens a step at a loss in nats per token."""
        return self.scale * np.asarray(loss, float) ** -self.power


CRITICAL = {"kaplan2020": Batch(2.1e8, 1 / 0.21)}  # section 5.1 and Table 5; S and C are then S_min and C_min


def batch_named(text: str) -> Batch:
    """A batch from its tokens, or a critical batch by the name of its paper.

    Raises
    ------
    UserError
        Neither a positive number nor such a name.
    """
    if text in CRITICAL:
        return CRITICAL[text]
    try:
        tokens = float(text)
    except ValueError:
        tokens = float("nan")
    if not (np.isfinite(tokens) and tokens > 0):
        raise UserError(
            f"batch {text!r} is neither a positive number of tokens a step nor one of {', '.join(CRITICAL)}"
        )
    return Batch(tokens)


def optimal_steps(law: Law, params: Mapping[str, ArrayLike], train_flops: ArrayLike, batch: Batch) -> Optimum:
    """The N and S of lowest L(N, S) = A/N^alpha + B/S^beta under C = 6 N batch(L) S.

    There the second term is alpha / beta times the first, whatever the batch (appendix B, eq. B.4), so that
    loss, steps and compute are powers of N, and N is C to the 1 / (1 + alpha / beta + alpha power).

    Parameters
    ----------
    law : Law
        One with a term in N and one in S.
    params : mapping
        Its parameters; draws broadcast.
    train_flops : array_like
        The budget in FLOP; of a critical batch, the least compute C_min.
    batch : Batch
        Tokens a step.

    Returns
    -------
    Optimum
        n_tokens is batch times steps.

    Raises
    ------
    ValueError
        For a law of other inputs.
    """
    if law.inputs != ("N", "S") or law.offset or law.outer:
        raise ValueError(f"{law.name} is no law in N and S: {law.formula}")
    exponents = (term.exponents[x] for term, x in zip(law.terms, law.inputs, strict=True))
    A, B, alpha, beta = (np.asarray(params[name], float) for name in (*law.coefficients, *map(str, exponents)))
    ratio = alpha / beta
    log_loss_1 = np.log((1 + ratio) * A)  # of N = 1; falls as N^-alpha
    log_steps_1 = np.log(B / (ratio * A)) / beta  # of N = 1; rises as N^(alpha / beta)
    log_flops_1 = np.log(FLOPS_PER_PARAM_TOKEN * batch.scale) - batch.power * log_loss_1 + log_steps_1
    log_n = (np.log(np.asarray(train_flops, float)) - log_flops_1) / (1 + ratio + alpha * batch.power)
    loss = np.exp(log_loss_1 - alpha * log_n)
    return Optimum(np.exp(log_n), batch.tokens(loss) * np.exp(log_steps_1 + ratio * log_n), loss)
