"""Architectures by name, and what is refused in a sentence before anything is built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scaling_harness.config.schema import ModelConfig
from scaling_harness.errors import UserError
from scaling_harness.models import registry
from scaling_harness.models.architecture import Architecture
from scaling_harness.models.registry import describe, recorded_target, source_hash
from scaling_harness.train import train_one

V = 19
OWN = """
from scaling_harness.models.architecture import Architecture


def lookup(model, vocab_size):
    params = {"embedding": vocab_size * model.d_model, "head": vocab_size * 5}
    return Architecture(params, 6.0 * params["head"], None, options=("dropout",))


def wrong(model, vocab_size):
    return Architecture({"recurrence": 7}, 1.0, None)


def nothing(model, vocab_size):
    return None
"""


def config(target=None, **changes):
    fields = {"n_layer": 2, "d_model": 16, "n_ctx": 8, "n_head": 2, "parametrisation": "standard"}
    return ModelConfig(target=target, **(fields | changes))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the user's, imported anew after each `write`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text=OWN):
        (tmp_path / "owned.py").write_text(text)
        monkeypatch.delitem(sys.modules, "owned", raising=False)

    write()
    return write


def test_built_in_architectures_are_found_by_name_and_as_older_sweeps_have_them():
    assert describe(config(), V).stackable
    assert describe(config("decoder"), V).stackable
    for target in ("gpt2", "scaling_harness.bench.gpt2:gpt2"):
        found = describe(config(target), V)
        assert not found.stackable
        assert found.params == describe(config(), V).params
        assert recorded_target(target) == "scaling_harness.bench.gpt2:gpt2"
    assert recorded_target("decoder") is None
    assert recorded_target("owned:lookup") == "owned:lookup"


def test_a_recurrent_transformer_has_the_weights_of_its_blocks_and_the_work_of_its_passes():
    once, twice = (describe(config("recurrent", options={"passes": n}), V) for n in (1, 2))
    plain, deep = describe(config(), V), describe(config(n_layer=4), V)
    assert once.params == twice.params == plain.params
    assert (once.flops_per_token, twice.flops_per_token) == (plain.flops_per_token, deep.flops_per_token)
    assert twice.stackable
    assert recorded_target("recurrent") == "recurrent"


def test_an_architecture_of_ones_own_reads_its_options(own):
    found = describe(config("owned:lookup", options={"dropout": 0.1}), V)
    assert isinstance(found, Architecture)
    assert found.params["head"] == 5 * V


@pytest.mark.parametrize(
    ("target", "changes", "sentence"),
    [
        ("gtp2", {}, "'gtp2' is none of decoder, gpt2, lstm, recurrent, and not module:function either"),
        ("absent:model", {}, "cannot be imported as module:function: ModuleNotFoundError: No module named 'absent'"),
        ("owned:absent", {}, "cannot be imported as module:function"),
        ("owned:wrong", {}, r"unknown parameter groups \['recurrence'\]; use"),
        ("owned:nothing", {}, "returned NoneType, not an Architecture"),
        (
            "owned:lookup",
            {"options": {"dropot": 0.1}},
            r"does not read model\.options\.dropot; it reads dropout",
        ),
        (None, {"options": {"passes": 2}}, r"decoder does not read model\.options\.passes; it reads dropout"),
        ("gpt2", {"options": {"dropout": 0.1}}, r"gpt2 does not read model\.options\.dropout; it reads none"),
        (None, {"options": {"dropout": 1}}, "dropout is 1: give a share from 0 up to, but not, 1"),
        ("lstm", {"options": {"dropout": "much"}}, "dropout is much"),
        ("lstm", {"parametrisation": "mup"}, "lstm has one learning rate for all widths"),
        ("recurrent", {}, "applies its blocks model.options.passes times: give a whole number from 1 on, not None"),
        ("recurrent", {"options": {"passes": 0}}, "not 0"),
        ("gpt2", {"activation": "squared_relu"}, "gpt2 has the norm, positions and activation of"),
        ("gpt2", {"token_shift": 4}, "gpt2 has the norm, positions and activation of"),
    ],
)
def test_what_cannot_be_described_is_a_sentence(own, target, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        describe(config(target, **changes), V)


def test_learned_positions_under_mup_are_refused():
    with pytest.raises(ValueError, match="learned positions are not known"):
        config(parametrisation="mup", positions="learned")


def test_the_source_is_that_of_the_file_that_was_imported(own):
    assert source_hash(None) is None
    assert source_hash("gpt2") is None
    first = source_hash("owned:lookup")
    assert first is not None
    assert len(first) == 64
    own(OWN + "# edited\n")
    assert source_hash("owned:lookup") != first
    own()
    assert source_hash("owned:lookup") == first


def test_describing_imports_no_torch():
    code = (
        "import sys; from scaling_harness.config.schema import ModelConfig; "
        "from scaling_harness.models.registry import describe; "
        "[describe(ModelConfig(1, 16, 8, 'standard', n_head=1, target=t), 9) for t in (None, 'gpt2', 'lstm')]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_example_of_the_readme_trains(tmp_path, monkeypatch, make_config, capsys):
    readme = (Path(registry.__file__).parent / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (command,) = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    words = [word for word in command.split() if word.startswith("model.")]
    (tmp_path / "my_lstm.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert train_one(make_config(*words, "model.n_layer=2")) == 0
    assert "nats/token" in capsys.readouterr().out
