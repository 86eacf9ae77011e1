"""Parameters and FLOPs as Hoffmann et al. count them: tables A4 and A9, closed forms of a model's shape."""

from typing import Any

import pandas as pd

from analysis.papers.figure import PaperTable, public_table

VOCABULARY, N_CTX = 32_000, 2048
SHAPES_A4 = (
    (10, 640, 2560, 64, 10),
    (20, 1024, 4096, 64, 16),
    (24, 1280, 5120, 128, 10),
    (26, 1792, 7168, 128, 14),
    (28, 2048, 8192, 128, 16),
    (40, 3584, 14336, 128, 28),
)
"""Layers, d, ffw, kv and heads of the models of table A4, 73 million to 6.8 billion parameters."""
RATIOS_A4 = (1.03, 1.10, 1.08, 1.04, 1.03, 0.99)


def n_params(n_layer: Any, d_model: Any, d_ff: Any, d_head: Any, n_head: Any) -> Any:
    """Parameters of table A9: five attention matrices (one of relative positions), two dense, one embedding."""
    return n_layer * (5 * d_model * d_head * n_head + 2 * d_model * d_ff) + VOCABULARY * d_model


def train_flops_per_token(
    n_layer: int, d_model: int, d_ff: int, d_head: int, n_head: int, *, vocabulary: bool
) -> float:
    """FLOPs of a forward and a backward pass (twice the forward) for a token (Hoffmann et al. 2022, appendix F).

    Parameters
    ----------
    n_layer : int
        Layers.
    d_model, d_ff, d_head : int
        Widths of the model, its dense layers, and a head's keys and values.
    n_head : int
        Heads.
    vocabulary : bool
        Whether the embedding, as a product, and the logits are counted: the text says so, the ratios printed in table
        A4 come out only without them.
    """
    width = d_head * n_head
    attention = (
        2 * 3 * d_model * width + 2 * N_CTX * width + 3 * n_head * N_CTX + 2 * N_CTX * width + 2 * width * d_model
    )
    forward = n_layer * (attention + 2 * 2 * d_model * d_ff)
    return 3.0 * (forward + 2 * 2 * VOCABULARY * d_model * vocabulary)


def _table_a4(_evidence: object) -> pd.DataFrame:
    rows = []
    for shape, printed in zip(SHAPES_A4, RATIOS_A4, strict=True):
        size = n_params(*shape)
        without, full = (train_flops_per_token(*shape, vocabulary=each) / (6 * size) for each in (False, True))
        cells = (f"{size / 1e6:,.0f} M", f"{printed:.2f}", f"{without:.3f}", f"{full:.3f}")
        rows.append(dict(zip(("N", "printed", "without vocabulary", "as the text counts"), cells, strict=True)))
    return pd.DataFrame(rows)


def _table_a9(_evidence: object) -> pd.DataFrame:
    table = public_table("hoffmann2022_shapes")
    columns = ("n_layers", "d_model", "ffw_size", "kv_size", "n_heads")
    ours = n_params(*(table[name] for name in columns))
    off = ours / table["params"] - 1
    cells = {"printed": [f"{size / 1e6:,.0f} M" for size in table["params"]]}
    cells |= {name: table[name].astype(str) for name in columns}
    cells |= {"by the formula": [f"{size / 1e6:,.1f} M" for size in ours], "off": [f"{x:+.2%}" for x in off]}
    return pd.DataFrame(cells)


TABLE_A4 = PaperTable(
    "A4",
    "FLOPs of the full count over 6ND",
    "between .99 and 1.10; the printed ratios come out without the vocabulary's FLOPs, which the text includes: with "
    "them the smallest model has 1.58.",
    (),
    _table_a4,
)
TABLE_A9 = PaperTable(
    "A9",
    "Sizes of all models",
    "L (5 d kv h + 2 d ffw) + 32,000 d gives every row within .8 %: five attention matrices, one embedding.",
    (),
    _table_a9,
    public=("hoffmann2022_shapes",),
)
