import dataclasses

import pytest

from scaling_harness.config.schema import Bpe
from scaling_harness.plan.plan import resolve
from scaling_harness.plan.shape_for_size import nearest_shape, shapes_of
from scaling_harness.plan.sized_run import sized_run, vocab_size_of

RULES = ("optim.lr={rule: sweep2026}", "budget.batch_tokens={rule: porian2024}")


@pytest.mark.parametrize("rules", [(), RULES], ids=["numbers", "rules"])
def test_it_says_what_the_plan_of_the_run_will_say(make_config, make_plan, rules):
    config = make_config(*rules)
    shape = nearest_shape(shapes_of(config.model, 256, n_layer=2), 20_000, "with_head")
    made = sized_run(config, shape, 4_321.0)
    plan = resolve(made.config, make_plan().data)
    for name in ("n_params", "batch_tokens", "n_steps", "n_tokens", "learning_rate"):
        assert getattr(made, name) == getattr(plan, name), name
    assert made.n_tokens == pytest.approx(4_321, abs=made.batch_tokens / 2)
    assert made.config.model == shape.model


def test_the_vocabulary_is_that_of_the_tokenizer(make_config):
    data = make_config().data
    assert vocab_size_of(data) == 256
    assert vocab_size_of(dataclasses.replace(data, tokenizer=Bpe(vocab_size=1024))) == 1024
