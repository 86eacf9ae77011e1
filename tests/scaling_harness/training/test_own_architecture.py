"""A user's own module with dropout and a running buffer: evaluated as it is meant to be, resumed bit for bit."""

import dataclasses
from pathlib import Path

import pytest
import torch

from scaling_harness.data.batches import evaluation_windows
from scaling_harness.data.token_cache import open_tokens
from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Job, resolve
from scaling_harness.record.store import Store
from scaling_harness.training import trainer
from scaling_harness.training.evaluate import evaluate
from scaling_harness.training.gradient_noise import measure
from scaling_harness.training.oversight import Interrupted
from scaling_harness.training.run_stack import build_model
from sweeps.planning.trunks import share_trunk

MEASURED = ("evaluation.noise_every=20", "evaluation.noise_seqs=4")
OWN = ("model.target=own_architectures:forgetful", "budget.n_tokens=1920", *MEASURED)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


class StopAt:
    """Ends an attempt at a step: in order, or as a kill would, with nothing saved."""

    def __init__(self, step=None, error=None):
        self.step, self.error = step, error

    def tick(self, step):
        if step == self.step:
            raise self.error

    def confirm(self):
        pass


class Killed(BaseException):
    pass


def train(store_dir, plan, oversight=None, **runtime):
    where = dataclasses.replace(plan.config.runtime, **runtime)
    (record,) = trainer.train(Job((plan,)), where, Store(store_dir), oversight or StopAt())
    return record


def curve(store_dir, plan):
    return Store(store_dir).metrics_path(plan.run_id).read_bytes()


@pytest.fixture
def plan(make_plan):
    return make_plan(*OWN)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Curve and losses of a run that nothing stops; trained once for all tests."""
    folder = tmp_path_factory.mktemp("whole")

    def outcome(plan):
        store = Store(folder)
        if not store.is_finished(plan.run_id):
            train(folder, plan)
        return curve(folder, plan), store.read(plan.run_id).losses

    return outcome


@pytest.fixture
def windows(plan):
    return evaluation_windows(open_tokens(plan.data.valid_path), plan.config.model.n_ctx, 256)


def test_evaluation_is_without_dropout_and_leaves_the_training_as_it_was(plan, windows):
    model = build_model((plan,))
    frozen = model.module.embedding.eval()  # as a user who keeps a part from training would have it
    random = torch.get_rng_state()
    losses = {evaluate(model, windows, 256, "cpu").loss_nats for _ in range(3)}
    assert len(losses) == 1
    assert torch.equal(torch.get_rng_state(), random)
    assert model.module.n_seen == 0
    assert [model.training, model.module.drop.training, frozen.training] == [True, True, False]


def test_what_is_evaluated_is_the_module_without_its_dropout(make_plan, windows):
    """Against the same module with dropout 0, by hand; in training mode dropout moves the loss."""
    dropping, plain = (build_model((make_plan(*OWN, f"model.options.dropout={p}"),)) for p in (0.5, 0.0))
    found = evaluate(dropping, windows, 256, "cpu").loss_nats
    tokens = torch.from_numpy(windows)[None]
    by_hand = [m.token_losses(tokens[..., :-1], tokens[..., 1:]).mean().item() for m in (plain.eval(), dropping)]
    assert found == pytest.approx(by_hand[0], rel=1e-6)
    assert found != pytest.approx(by_hand[1], rel=1e-4)


def test_the_gradient_noise_is_that_of_a_training_step(plan, windows):
    """Dropout is part of it, and is drawn anew by no measurement: the random state is put back."""
    torch.manual_seed(0)
    model = build_model((plan,))
    first, again = (measure(model, 0, torch.from_numpy(windows)) for _ in range(2))
    assert first == again
    assert model.eval() is model
    assert measure(model, 0, torch.from_numpy(windows)) != first


@pytest.mark.parametrize("step", [1, 20, 37])
def test_an_interrupted_run_goes_on_to_the_same_curve(plan, tmp_path, whole, step):
    with pytest.raises(Interrupted):
        train(tmp_path, plan, StopAt(step, Interrupted("enough")))
    resumed = train(tmp_path, plan)
    assert (curve(tmp_path, plan), resumed.losses) == whole(plan)
    assert resumed.warnings == []


def test_a_killed_run_goes_on_to_the_same_curve(plan, tmp_path, whole):
    with pytest.raises(Killed):
        train(tmp_path, plan, StopAt(35, Killed()), checkpoint_every_s=1e-9)
    resumed = train(tmp_path, plan)
    assert (curve(tmp_path, plan), resumed.losses) == whole(plan)
    assert resumed.warnings == []


def test_a_branch_goes_on_from_its_trunk_as_if_it_had_taken_its_steps(make_config, make_plan, tmp_path, whole):
    wsd = ("schedule=wsd", "schedule.warmup={unit: steps, amount: 4}")
    data = make_plan(*OWN).data
    configs = [make_config(*OWN, *wsd, f"budget.n_tokens={n}") for n in (960, 1920)]

    trunk, *branches = share_trunk(configs, lambda config: resolve(config, data))
    train(tmp_path, trunk)
    for branch in branches:
        branched = train(tmp_path, branch)
        assert branched.trunk == trunk.run_id
        assert branched.losses == whole(dataclasses.replace(branch, trunk=None))[1]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda document: document["optimizer"].pop("random"),
            "an earlier version's checkpoint has no random: started",
        ),
        (lambda document: document["optimizer"].pop("buffer mean"), "has no buffer mean: started from the beginning"),
        (lambda document: document.update(source="0" * 64), "came from other code of the architecture: started"),
        (lambda document: document.pop("source"), "came from other code of the architecture: started"),
    ],
)
def test_a_checkpoint_that_cannot_go_on_bit_for_bit_is_said_and_not_used(plan, tmp_path, damage, sentence):
    with pytest.raises(Interrupted):
        train(tmp_path, plan, StopAt(20, Interrupted("enough")))
    path = Store(tmp_path).checkpoint_path(plan.run_id)
    document = torch.load(path, weights_only=True)
    damage(document)
    torch.save(document, path)
    (warning,) = train(tmp_path, plan).warnings
    assert sentence in warning


def test_a_checkpoint_of_an_earlier_version_of_a_built_in_run_is_used(make_plan, tmp_path):
    plan = make_plan("budget.n_tokens=3200")
    whole = train(tmp_path / "whole", plan)
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", plan, StopAt(40, Interrupted("enough")))
    path = Store(tmp_path / "cut").checkpoint_path(plan.run_id)
    document = torch.load(path, weights_only=True)
    assert set(document["optimizer"]) == {"parameters_RP", "mean_RP", "square_RP", "step"}
    del document["source"]
    torch.save(document, path)
    resumed = train(tmp_path / "cut", plan)
    assert (resumed.losses, resumed.warnings) == (whole.losses, [])


def test_counts_are_those_that_apply_and_the_head_is_the_declared_one(make_plan):
    narrow = make_plan("model.target=own_architectures:narrow_head")
    assert set(narrow.flops_per_token) == {"6nd_non_embedding", "6nd_with_head", "6nd_total", "matmul"}
    assert narrow.n_params == {"non_embedding": 0, "with_head": 4 * 256, "total": 20 * 256}
    assert narrow.flops_per_token["matmul"] == 6 * 4 * 256
    tied = make_plan("model.target=own_architectures:tied")
    assert tied.n_params == {"non_embedding": 0, "with_head": 16 * 256, "total": 16 * 256}
    assert {"kaplan", "hoffmann"} < set(make_plan("model=gpt2", "optim=gpt2").flops_per_token)


def test_the_record_says_which_code_was_trained(plan, make_plan, tmp_path):
    record = train(tmp_path, plan)
    assert record.architecture_source == plan.architecture_source
    assert len(record.architecture_source) == 64
    assert set(record.train_flops) == set(plan.flops_per_token)
    assert "architecture_source" not in str(plan.science)
    assert make_plan().architecture_source is None


def test_a_mixture_of_experts_is_counted_by_what_a_token_passes_through(make_plan, tmp_path):
    plan = make_plan("model.target=own_architectures:experts")
    head = 16 * 256
    assert plan.n_params == {"non_embedding": 256, "with_head": 256 + head, "total": 256 + 2 * head}
    assert plan.train_flops["6nd_with_head"] == 6 * (256 + head) * plan.n_tokens
    record = train(tmp_path, plan)
    assert sum(record.params.values()) == 2 * 256 + 2 * head
    assert record.n_params == plan.n_params
    with pytest.raises(UserError, match="too_active' has more active parameters than parameters in mlp"):
        make_plan("model.target=own_architectures:too_active")
