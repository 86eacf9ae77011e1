import pytest
import yaml

from scaling_harness.config.as_overrides import differences, override
from scaling_harness.config.compose import compose, run_config

GIVEN = {
    "groups": [
        "model=gpt2",
        "optim=gpt2",
        "schedule=wsd",
        "budget=tokens_per_param",
        "optim.lr={rule: power, value: 1e-3, n_exponent: 0.1, d_exponent: -0.3, n_params: 1e5, n_tokens: 1e6}",
    ],
    "settings": [
        "data=files",
        "data.path=/a b,c.txt",
        "data.tokenizer={kind: bpe, vocab_size: 1024}",
        "model.target=my_model:mixer",
        "model.options={x: 1}",
        "budget.batch_tokens=64",
        "seed=3",
    ],
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_the_overrides_make_the_configuration_again(given, tmp_path):
    config = run_config(compose(given))
    told = differences(config)
    assert run_config(compose(told.overrides())) == config
    (tmp_path / "sweep").mkdir()
    document = {**told.document(), "sweep": {"name": "x"}}
    (tmp_path / "sweep" / "x.yaml").write_text("# @package _global_\n" + yaml.safe_dump(document))
    assert run_config(compose(["sweep=x"], tmp_path)) == config


def test_only_what_differs_is_said():
    assert differences(run_config(compose([]))).overrides() == []
    told = differences(run_config(compose(["model=gpt2", "model.d_model=64", "optim=gpt2"])))
    assert told.options == {"model": "gpt2", "optim": "gpt2"}
    assert told.settings == {"model.d_model": 64}


def test_values_are_written_as_hydra_reads_them():
    given = {"a": None, "b": [True, 1e-10], "c": "two words", "d": {"e": "true"}}
    assert override("x.y", given) == "x.y={a: null, b: [true, 1e-10], c: 'two words', d: {e: 'true'}}"
