"""Published rules at sizes for which their papers, or the arithmetic of them by hand, say what they give."""

import math
import re

import pytest

from scaling_harness.config.schema import NamedRule
from scaling_harness.plan import scale_rules
from scaling_harness.plan.scale_rules import RULE_FORMULAS, Scale

# As DeepSeek LLM 7B: 30 layers of width 4,096, 12 L d^2 weights, contexts of 4,096, 2e12 tokens; V of 102,400.
N = 12 * 30 * 4096**2
LARGE = Scale(
    {"non_embedding": N, "with_head": N + 102_400 * 4096, "total": N + 2 * 102_400 * 4096}, 2e12, 30, 4096, 4096
)
SMALL = Scale({"non_embedding": 24576, "with_head": 32768, "total": 40960}, 1e6, 2, 32, 128)


def lr(name, at=LARGE):
    return scale_rules.learning_rate(NamedRule(rule=name), at)


def batch(name, at=LARGE):
    return scale_rules.batch_tokens(NamedRule(rule=name), at)


def test_every_rule_can_be_chosen_and_says_where_it_is_from():
    for name, formulas in RULE_FORMULAS.items():
        assert NamedRule(rule=name).rule == name
        assert re.search(r"[( ]20[12]\d\b", formulas.source)


def test_deepseek_gives_what_its_authors_trained_their_7b_with():
    # 2,304 sequences of 4,096 and 4.2e-4 (their Table 2), chosen near the optimum of the formula.
    assert lr("deepseek2024") == pytest.approx(4.2e-4, rel=0.2)
    assert batch("deepseek2024") == pytest.approx(2304 * 4096, rel=0.2)


def test_porian_in_the_form_in_which_it_was_fitted():
    # 160 sequences of 2,048 and .0047 at 108 million parameters with head.
    at = Scale({"non_embedding": 1, "with_head": 108_000_000, "total": 1}, 1.0, 1, 1, 2048)
    assert lr("porian2024", at) == pytest.approx(0.0047, rel=0.03)
    assert batch("porian2024", at) == pytest.approx(160 * 2048, rel=0.04)


def test_step_law_and_kaplan_by_hand():
    at = Scale({"non_embedding": 10**9, "with_head": 1, "total": 1}, 1e11, 1, 1, 1)
    # 1.79 N^-.713 D^.307 = 1.79e-3.04, .58 D^.571 = .58e6.281, .003239 - .0001395 ln N with ln N = 20.723
    assert lr("steplaw2025", at) == pytest.approx(0.0016325, rel=1e-4)
    assert batch("steplaw2025", at) == pytest.approx(1_107_700, rel=1e-4)
    assert lr("kaplan2020", at) == pytest.approx(0.00034811, rel=1e-4)


def test_a_batch_is_whole_contexts_and_one_at_least():
    assert batch("porian2024", SMALL) == 1152  # 1130 tokens are 8.8 contexts of 128
    assert batch("steplaw2025", Scale(SMALL.n_params, 100.0, 2, 32, 128)) == 128


def test_a_factor_multiplies_the_rule():
    assert scale_rules.learning_rate(NamedRule(rule="porian2024", factor=3.0), SMALL) == pytest.approx(
        3 * lr("porian2024", SMALL)
    )


def test_our_rule_is_near_the_minima_it_was_fitted_to():
    # Learning rate of lowest loss in sweep lr-batch, 2 layers of width 16, 32, 64 (sweeps/README.md).
    minima = {
        (10240, 300032): 0.00464,
        (10240, 1200128): 0.00340,
        (32768, 300032): 0.00432,
        (32768, 1200128): 0.00331,
        (114688, 300032): 0.00626,
        (114688, 1200128): 0.00269,
    }
    for (n, d), best in minima.items():
        at = Scale({"non_embedding": 1, "with_head": n, "total": 1}, d, 2, 16, 128)
        assert abs(math.log(lr("sweep2026", at) / best)) < 2 * 0.19
        assert batch("sweep2026", at) == 128
    assert batch("sweep2026", Scale({}, 1.0, 2, 16, 256)) == 256


def test_layers_grow_with_the_size_and_only_where_a_rule_says_so():
    least = RULE_FORMULAS["sweep2026"].n_layer
    assert least is not None
    assert [scale_rules.n_layer("sweep2026", size) for size in least.values()] == sorted(least)
    assert [scale_rules.n_layer("sweep2026", size - 1) for size in least.values() if size] == sorted(least)[:-1]
    assert scale_rules.n_layer("porian2024", 1e5) is None
