import pytest

from scaling_harness.config.compose import CONF_DIR, compose, run_config
from scaling_harness.config.schema import Bpe, ModelConfig, NamedRule, PowerRule
from scaling_harness.errors import UserError


def composed(*overrides: str):
    return run_config(compose(overrides))


GROUPS = [
    f"{folder.name}={file.stem}"
    for folder in sorted(CONF_DIR.iterdir())
    if folder.is_dir() and folder.name != "sweep"
    for file in sorted(folder.glob("*.yaml"))
]


@pytest.mark.parametrize("choice", GROUPS)
def test_every_option_of_every_group_fits_its_schema(choice):
    needed = {"data=hf": ["data.dataset=x"]} | {key: ["data.path=x.txt"] for key in ("data=files", "data=shards")}
    composed(choice, *needed.get(choice, []))


def test_a_group_has_at_least_two_options():
    folders = {choice.partition("=")[0] for choice in GROUPS}
    assert all(sum(choice.startswith(f"{folder}=") for choice in GROUPS) >= 2 for folder in folders)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.d_modle=3", "model.d_modle"),
        ("+model.d_modle=3", "did you mean d_model"),
        ("model.d_model=wide", "model.d_model is 'wide'"),
        ("model.d_head=20", "d_model 48 is not divisible by d_head 20"),
        ("model.token_shift=5", "d_model 48 is not divisible by token_shift 5"),
        ("model.d_head=3", "even head size"),
        ("model={n_head: 2, d_head: 24}", "one of n_head and d_head, or neither"),
        ("budget.n_tokens=-5", "budget.n_tokens is -5"),
        ("budget=epochs", "flops tokens tokens_per_param"),
        ("schedule.warmup.amount=3", "between 0 and 1"),
        ("data=files", "data.path must be given"),
        ("data=shards", "give one of path .files. and dataset"),
        ("optim.lr={rule: mine}", "^optim.lr.rule is 'mine': Input should be 'kaplan2020'"),
        ("optim.lr=-1", "^optim.lr is -1: Input should be greater than 0$"),
        ("budget.batch_tokens={rule: steplaw2025, facto: 2}", "^budget.batch_tokens.facto is not .* mean factor"),
        ("model", "missing EQUAL"),
    ],
)
def test_bad_configuration_is_a_sentence(override, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        composed(override)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("d_model", "n_head"),
    # As the sweeps of conf had them written out: 16 if it divides d_model, else 20, 22, 24, 28, or one head.
    [(8, 1), (16, 1), (20, 1), (24, 1), (28, 1), (40, 2), (44, 2), (48, 3), (60, 3), (88, 4), (120, 6)],
)
def test_the_number_of_heads_follows_from_the_width(d_model, n_head):
    shape = {"n_layer": 1, "d_model": d_model, "n_ctx": 8, "parametrisation": "mup"}
    assert ModelConfig(**shape).heads == n_head
    assert ModelConfig(**shape, d_head=d_model).heads == 1
    assert ModelConfig(**shape, n_head=2).heads == 2


@pytest.mark.parametrize("path", [[], ["data.path=null"]])
def test_shards_of_a_data_set_need_no_path(path):
    data = composed("data=shards", "data.dataset=wikitext", *path).data
    assert (data.path, data.dataset) == (None, "wikitext")
    assert composed("data=shards", "data.path='null'").data.path == "null"


def test_configurations_that_name_each_other_are_a_sentence(tmp_path):
    (tmp_path / "sweep").mkdir()
    for name, other in ("ab", "ba"):
        (tmp_path / "sweep" / f"{name}.yaml").write_text(f"# @package _global_\ndefaults: [{other}]\nseed: 1\n")
    with pytest.raises(UserError, match="in a circle"):
        compose(["sweep=a"], tmp_path)


def test_learning_rate_and_batch_are_a_number_or_a_rule():
    assert composed("optim.lr=0.01").optim.lr == 0.01
    assert composed("optim=kaplan").optim.lr == NamedRule(rule="kaplan2020")
    rule = "{rule: power, value: 64, n_exponent: 0, d_exponent: 0.3, n_params: 1e5, n_tokens: 1e6}"
    power = PowerRule(value=64.0, n_exponent=0.0, d_exponent=0.3, n_params=1e5, n_tokens=1e6)
    assert composed(f"optim.lr={rule}").optim.lr == power
    assert composed(f"budget.batch_tokens={rule}").budget.batch_tokens == power


POWER = "{rule: power, value: 64, n_exponent: 0, d_exponent: 0.3, n_params: 1e5, n_tokens: 1e6}"


@pytest.mark.parametrize("before", ["optim.lr=0.01", "optim.lr={rule: sweep2026}", f"optim.lr={POWER}", "optim=kaplan"])
@pytest.mark.parametrize("after", ["optim.lr=0.02", "optim.lr={rule: kaplan2020}", f"optim.lr={POWER}"])
def test_a_rule_or_number_takes_the_place_of_what_stood_there(before, after):
    assert composed(before, after).optim.lr == composed(after).optim.lr


def test_a_mapping_takes_the_place_of_another_and_a_later_key_changes_it():
    bpe = "data.tokenizer={kind: bpe, vocab_size: 1024}"
    assert composed(bpe).data.tokenizer == Bpe(vocab_size=1024)
    assert composed(bpe, "data.tokenizer.vocab_size=300").data.tokenizer == Bpe(vocab_size=300)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("model.d_modle=3", "model.d_model"),
        ("optm.lr=1", "optim.lr"),
        ("optim.lr.vlue=3", "optim.lr.value"),
        ("data.tokenzer={kind: bpe}", "data.tokenizer"),
    ],
)
def test_a_misspelt_key_gets_the_nearest_one(given, meant):
    with pytest.raises(UserError, match=f"^{given.partition('=')[0]} is not a known key; did you mean {meant}[?]$"):
        composed(given)


def test_a_part_of_a_rule_cannot_be_set_where_a_number_stands():
    with pytest.raises(UserError, match=r"^optim.lr.value cannot be set alone.*give it whole, as optim.lr=\{"):
        composed("optim.lr.value=3")


def test_a_file_that_is_no_yaml_is_named_with_line_and_column(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "bad.yaml").write_text("sweep:\n  name: x\n  grids: [\n")
    with pytest.raises(UserError, match=r"bad.yaml, line 4, column 1: not valid YAML"):
        compose(["sweep=bad"], tmp_path)


def test_another_config_dir_is_searched(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "parametrisation: mup\nn_layer: 1\nd_model: 16\nd_head: 8\nn_ctx: 32\n"
    )
    assert run_config(compose(["model=mine"], tmp_path)).model.heads == 2


def test_what_a_sweep_says_of_evaluation_and_seed_stands(tmp_path):
    """Before it the primary file was merged last, and its evaluation silently replaced that of a sweep."""
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "own.yaml").write_text("# @package _global_\nevaluation: { n_points: 7 }\nseed: 5\n")
    found = compose(["sweep=own"], tmp_path)
    assert (found["evaluation"]["n_points"], found["seed"]) == (7, 5)
    assert compose(["sweep=own", "evaluation.n_points=3"], tmp_path)["evaluation"]["n_points"] == 3


@pytest.mark.parametrize("values", ["0.001,0.002", "choice(0.001,0.002)"])
def test_several_values_in_one_run_are_answered_with_a_sweep_that_works(tmp_path, values):
    with pytest.raises(UserError, match="Write a sweep") as raised:
        compose([f"optim.lr={values}"])
    text = str(raised.value)
    assert "multirun" not in text
    lines = text.splitlines()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "NAME.yaml").write_text("\n".join(lines[1:-1]) + "\n")
    document = compose(["sweep=NAME"], tmp_path)
    assert document["sweep"]["grids"][0]["over"] == {"optim.lr": [0.001, 0.002]}


def test_options_of_an_architecture_are_free_and_other_keys_are_not():
    assert run_config(compose(["model.options.dropout=0.1"])).model.options == {"dropout": 0.1}
    with pytest.raises(UserError, match="dropout"):
        compose(["model.dropout=0.1"])


def test_wandb_live_needs_a_mode():
    with pytest.raises(UserError, match="live sends nothing while mode is off"):
        run_config(compose(["wandb.live=true"]))
    assert run_config(compose(["wandb.live=true", "wandb.mode=offline"])).wandb.live
