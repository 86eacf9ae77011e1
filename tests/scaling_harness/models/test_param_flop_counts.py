"""Counts against the papers' own tables (Hoffmann et al. 2022, A4 and A9; Kaplan et al. 2020, Table 1)."""

import csv
import os
from pathlib import Path

import pytest

from scaling_harness.models import param_flop_counts


def hoffmann_params(d_model: int, d_ff: int, d_attn: int, n_layer: int) -> int:
    """Table A9 counts a fifth attention matrix (relative positions) and a vocabulary of 32,000."""
    return n_layer * (5 * d_model * d_attn + 2 * d_model * d_ff) + 32000 * d_model


def test_hoffmann_table_a4_ratios():
    """(d_model, d_ff, d_attn, n_head, n_layer) of the six models; the printed ratios of their FLOPs to 6 N D."""
    models = [
        (640, 2560, 640, 10, 10),
        (1024, 4096, 1024, 16, 20),
        (1280, 5120, 1280, 10, 24),
        (1792, 7168, 1792, 14, 26),
        (2048, 8192, 2048, 16, 28),
        (3584, 14336, 3584, 28, 40),
    ]
    ratios = []
    for d_model, d_ff, d_attn, n_head, n_layer in models:
        flops = param_flop_counts.hoffmann_flops_per_sequence(
            n_layer, d_model, d_ff, 2048, 32000, n_head, d_attn, False
        )
        ratios.append(flops / (6 * hoffmann_params(d_model, d_ff, d_attn, n_layer) * 2048))
    assert [round(ratio, 2) for ratio in ratios] == [1.03, 1.10, 1.08, 1.04, 1.03, 0.99]


def test_hoffmann_with_vocabulary_adds_embedding_and_logits():
    without = param_flop_counts.hoffmann_flops_per_sequence(10, 640, 2560, 2048, 32000, 10, 640, False)
    printed = param_flop_counts.hoffmann_flops_per_sequence(10, 640, 2560, 2048, 32000, 10, 640)
    assert printed - without == 3 * 2 * 2 * 2048 * 32000 * 640
    assert printed / (6 * hoffmann_params(640, 2560, 640, 10) * 2048) == pytest.approx(1.58, abs=0.005)


def test_hoffmann_table_a9_parameters():
    folder = os.environ.get("SCALING_HARNESS_DATA")
    path = Path(folder or "") / "published" / "hoffmann_table_a9.csv"
    if not folder or not path.exists():
        pytest.skip("SCALING_HARNESS_DATA does not name a folder with published/hoffmann_table_a9.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 50
    for row in rows:
        n = hoffmann_params(
            int(row["d_model"]), int(row["ffw_size"]), int(row["kv_size"]) * int(row["n_heads"]), int(row["n_layers"])
        )
        assert n == pytest.approx(float(row["params"]), rel=0.0081)  # the first row is 0.802 % off


def test_kaplan_smallest_model_and_its_context_term():
    """768 non-embedding parameters at one layer of width 8 (Kaplan et al. 2020, section 3)."""
    params = param_flop_counts.decoder_params(
        1, 8, 32, 1024, 50257, learned_positions=False, gains=False, tied_head=False
    )
    assert param_flop_counts.n_params(params, 50257 * 8)["non_embedding"] == 768
    assert param_flop_counts.kaplan_flops_per_token(1, 8, 32, 1024) == 3 * (2 * 768 + 2 * 1024 * 8)


def test_kaplan_is_6n_where_the_context_is_short():
    n = 12 * 48 * 1600**2
    assert param_flop_counts.kaplan_flops_per_token(48, 1600, 6400, 1024) / (6 * n) == pytest.approx(
        1 + 1024 / (12 * 1600)
    )


@pytest.mark.parametrize("standard", [False, True])
def test_conventions_differ_by_the_vocabulary(standard):
    kinds = dict.fromkeys(("learned_positions", "gains", "tied_head"), standard)
    params = param_flop_counts.decoder_params(2, 48, 192, 128, 256, **kinds)
    n = param_flop_counts.n_params(params, 256 * 48)
    assert set(params) == set(param_flop_counts.GROUPS)
    assert n["with_head"] - n["non_embedding"] == 256 * 48
    assert n["total"] == sum(params.values())
    assert param_flop_counts.flops_per_token(n, 1.0, {})["6nd_with_head"] == 6 * n["with_head"]
