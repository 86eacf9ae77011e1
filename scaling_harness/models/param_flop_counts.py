"""Count parameters and FLOPs by every convention in use; the analysis chooses one.

Symbols: L n_layer, d d_model, f d_ff, h n_head, V vocab_size, T n_ctx. One multiply-add is 2 FLOPs; backward costs
twice forward, so training costs 3 x forward.
"""

from collections.abc import Mapping

GROUPS = ("embedding", "position", "attention", "mlp", "norm", "head")
"""Groups of parameters; every parameter belongs to one."""

COUNTS = ("non_embedding", "with_head", "total")
"""Conventions for N: Kaplan et al. (2020); Porian et al. (2024), the headline here; Hoffmann et al. (2022)."""


def decoder_params(
    n_layer: int,
    d_model: int,
    d_ff: int,
    n_ctx: int,
    vocab_size: int,
    *,
    learned_positions: bool,
    gains: bool,
    tied_head: bool,
) -> dict[str, int]:
    """Count the parameters of the built-in decoder by group.

    Parameters
    ----------
    n_layer, d_model, d_ff, n_ctx, vocab_size : int
        Shape; see `schema.ModelConfig`.
    learned_positions : bool
        Whether positions are parameters, T d of them.
    gains : bool
        Whether norms have a gain: two in each block and a last one. Nothing has a bias.
    tied_head : bool
        Whether the head is the embedding.

    Returns
    -------
    dict of str to int
        One entry for each of `GROUPS`. A tied head has no parameters of its own: its entry is 0.
    """
    return {
        "embedding": vocab_size * d_model,
        "position": n_ctx * d_model if learned_positions else 0,
        "attention": n_layer * 4 * d_model**2,
        "mlp": n_layer * 2 * d_model * d_ff,
        "norm": (2 * n_layer + 1) * d_model if gains else 0,
        "head": 0 if tied_head else vocab_size * d_model,
    }


def n_params(params: Mapping[str, int], head_weights: int) -> dict[str, int]:
    """Sum parameter groups by each convention for N.

    Parameters
    ----------
    params : mapping of str to int
        Parameters by group.
    head_weights : int
        Weights that give the logits, V d in a transformer; counted even if they are tied to the embedding, since they
        cost the same FLOPs.

    Returns
    -------
    dict of str to int
        `non_embedding` (Kaplan et al. 2020, 2.1), `with_head` (Porian et al. 2024), `total` (Hoffmann et al. 2022).
    """
    non_embedding = params["attention"] + params["mlp"] + params["norm"]
    return {
        "non_embedding": non_embedding,
        "with_head": non_embedding + head_weights,
        "total": sum(params.values()),
    }


def kaplan_flops_per_token(n_layer: int, d_model: int, d_ff: int, n_ctx: int) -> int:
    """Count training FLOPs per token as Kaplan et al. (2020), Table 1: no embedding, no head, with the context term.

    C_forward = 2 N + 2 L T d_attn with N = 2 d L (2 d_attn + f) and d_attn = d. If f = 4d the context term is T / 12d
    of N: small for large models, most of the cost at d = 16.
    """
    n_weights = 2 * d_model * n_layer * (2 * d_model + d_ff)
    return 3 * (2 * n_weights + 2 * n_layer * n_ctx * d_model)


def hoffmann_flops_per_sequence(
    n_layer: int,
    d_model: int,
    d_ff: int,
    n_ctx: int,
    vocab_size: int,
    n_head: int,
    d_attn: int,
    with_vocabulary: bool = True,
) -> int:
    """Count training FLOPs per sequence as Hoffmann et al. (2022), Appendix F.

    Parameters
    ----------
    n_layer, d_model, d_ff, n_ctx, vocab_size, n_head : int
        Shape.
    d_attn : int
        n_head x head size; not always d_model in their Table A9.
    with_vocabulary : bool
        Whether to count the logits, and the embedding look-up as a matrix product, as their text does; their Table A4
        leaves both out.

    Returns
    -------
    int
        Softmax counts 3 h T^2, norms and activations nothing.
    """
    attention = (
        2 * 3 * n_ctx * d_model * d_attn
        + 2 * n_ctx**2 * d_attn
        + 3 * n_head * n_ctx**2
        + 2 * n_ctx**2 * d_attn
        + 2 * n_ctx * d_attn * d_model
    )
    dense = 2 * n_ctx * (d_model * d_ff + d_ff * d_model)
    vocabulary = 2 * (2 * n_ctx * vocab_size * d_model) if with_vocabulary else 0
    return 3 * (n_layer * (attention + dense) + vocabulary)


def matmul_flops_per_token(n_layer: int, d_model: int, d_ff: int, n_ctx: int, vocab_size: int) -> int:
    """Count the FLOPs per token of the matrix products that the built-in decoder computes in training.

    Weights of attention, MLP and head (2 per weight forward), and both attention products over the whole context,
    masked half included (2 x 2 T d per layer). Look-ups, norms, softmax and activations are left out.
    """
    weights = n_layer * (4 * d_model**2 + 2 * d_model * d_ff) + vocab_size * d_model
    return 3 * (2 * weights + n_layer * 4 * n_ctx * d_model)


def transformer_flops(
    n_layer: int, d_model: int, d_ff: int, n_ctx: int, vocab_size: int, n_head: int
) -> dict[str, float]:
    """Count training FLOPs per token by the conventions that hold for a transformer with d_attn = d.

    Parameters
    ----------
    n_layer, d_model, d_ff, n_ctx, vocab_size, n_head : int
        Shape.

    Returns
    -------
    dict of str to float
        `kaplan` (Table 1 with the context term) and `hoffmann` (Appendix F).
    """
    sequence = hoffmann_flops_per_sequence(n_layer, d_model, d_ff, n_ctx, vocab_size, n_head, d_model)
    return {
        "kaplan": float(kaplan_flops_per_token(n_layer, d_model, d_ff, n_ctx)),
        "hoffmann": sequence / n_ctx,
    }


def flops_per_token(n_params: Mapping[str, int], matmul: float, others: Mapping[str, float]) -> dict[str, float]:
    """Collect training FLOPs per token by every convention that holds for an architecture.

    Parameters
    ----------
    n_params : mapping of str to int
        N by convention; see `n_params`.
    matmul : float
        FLOPs per token of the architecture's matrix products.
    others : mapping of str to float
        Further conventions that hold for it, such as `transformer_flops`.

    Returns
    -------
    dict of str to float
        `6nd_<count>` for each count, the others, and `matmul`.
    """
    return {f"6nd_{count}": 6.0 * n for count, n in n_params.items()} | dict(others) | {"matmul": float(matmul)}
