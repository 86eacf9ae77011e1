"""Every key can be overridden by every kind of value, and what the comments of conf/ offer is accepted."""

import re

import pytest

from scaling_harness.config.compose import CONF_DIR, compose, run_config

CHOICES = (
    ("data=sotu", "model=mup", "optim=mup", "schedule=cosine", "budget=tokens", "runtime=cpu", "launcher=local"),
    ("data=files", "data.path=x", "model=standard", "optim=kaplan", "schedule=wsd", "budget=flops", "launcher=slurm"),
    ("data=hf", "data.dataset=x", "model=gpt2", "optim=gpt2", "schedule=constant", "budget=tokens_per_param"),
    ("runtime=cuda",),
)
KINDS = {"7": 7, "0.5": 0.5, "null": None, "true": True, "text": "text", "[a,2]": ["a", 2]}
KINDS |= {"{kind: k, n: 3}": {"kind": "k", "n": 3}}
PATHS = ("data.path", "runtime.runs_dir", "runtime.data_dir")  # always text
GROUPS = ("model", "data", "optim", "schedule", "budget", "runtime", "launcher", "evaluation", "wandb")


def leaves(document, prefix=""):
    """Dotted keys below a group whose value is no mapping, and those whose value is one."""
    for key, value in document.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")


def at(document, dotted):
    for key in dotted.split("."):
        document = document[key]
    return document


@pytest.mark.parametrize("choices", CHOICES, ids=lambda choices: choices[0])
@pytest.mark.parametrize("text", KINDS)
def test_every_key_takes_every_kind_of_value(choices, text):
    document = compose(choices)
    keys = [key for group in GROUPS for key in leaves(document[group], f"{group}.") if key not in PATHS]
    outer = [key for key in keys if not any(other.startswith(f"{key}.") for other in keys)]
    given = compose([*choices, *(f"{key}={text}" for key in outer)])
    assert {key: at(given, key) for key in outer} == dict.fromkeys(outer, KINDS[text])
    whole = [key for key in keys if key not in outer]
    if text.startswith("{") and whole:
        given = compose([*choices, *(f"{key}={text}" for key in whole)])
        assert {key: at(given, key) for key in whole} == dict.fromkeys(whole, KINDS[text])


def offered():
    """Overrides that a comment beside a key offers: `# or linear`, `# or {kind: bpe, vocab_size: 1024}`."""
    for path in sorted(CONF_DIR.glob("*/*.yaml")):
        for key, comment in re.findall(r"^(\w+): .*?# (.*)$", path.read_text(), re.MULTILINE):
            mappings = [mapping for mapping in re.findall(r"\{[^{}]*\}", comment) if "..." not in mapping]
            words = re.fullmatch(r"or (\w+)(?:, (\w+))*", comment)
            for value in [*mappings, *(words.groups() if words else ())]:
                if value:
                    yield f"{path.parent.name}={path.stem}", f"{path.parent.name}.{key}={value}"


@pytest.mark.parametrize(("group", "override"), list(offered()))
def test_what_a_comment_offers_is_accepted(group, override):
    needed = ("data.path=x",) if group in ("data=files", "data=shards") else ()
    run_config(compose([group, *needed, override]))


def test_comments_offer_something():
    assert ("data=sotu", "data.tokenizer={kind: bpe, vocab_size: 1024}") in list(offered())
    assert ("schedule=wsd", "schedule.shape=linear") in list(offered())
