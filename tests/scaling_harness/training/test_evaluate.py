"""Evaluation against the true law of generated tokens."""

import dataclasses

import numpy as np
import pytest
import torch

from scaling_harness.config.schema import QuantaData, WalkData
from scaling_harness.data.open_source import open_source
from scaling_harness.data.prepare import prepare
from scaling_harness.plan.plan import Job, resolve
from scaling_harness.record.record import read_record
from scaling_harness.record.store import Store
from scaling_harness.training import trainer
from scaling_harness.training.evaluate import evaluate, exact_matches
from scaling_harness.training.run_stack import build_model

WALK = WalkData(n_nodes=20, n_edges=40)


@pytest.fixture
def plan(make_config, tmp_path):
    config = dataclasses.replace(make_config(), data=WALK)
    return resolve(config, prepare(WALK, (), tmp_path))


def test_the_loss_is_the_entropy_and_the_divergence(plan):
    source = open_source(WALK, plan.data, 32, 4)
    windows = source.evaluation_windows("test", 640)
    model = build_model((plan,))
    with torch.no_grad():
        model.head += 0.1 * torch.randn(model.head.shape, generator=torch.Generator().manual_seed(0))
    found = evaluate(model, windows, 20, "cpu", source.truth)
    tokens = torch.from_numpy(windows)[None]
    log_q = torch.log_softmax(model(tokens[..., :-1]).detach().double(), -1)[0].numpy()
    p = source.truth.probs(windows)
    log_p = np.log(p, where=p > 0, out=np.zeros_like(p))
    divergence = (p * (log_p - log_q)).sum(-1)
    assert found.entropy_nats == pytest.approx(source.truth.entropies_T.mean())
    assert found.loss_nats - found.entropy_nats == pytest.approx(divergence.mean(), rel=1e-5)
    assert found.stderr_nats == pytest.approx(divergence.mean(1).std(ddof=1) / len(windows) ** 0.5, rel=1e-4)
    sampled = evaluate(model, windows, 20, "cpu")
    assert sampled.entropy_nats is None
    assert found.loss_nats == pytest.approx(sampled.loss_nats, abs=4 * sampled.stderr_nats)


def test_a_run_on_generated_tokens_is_recorded_with_their_entropy(plan, tmp_path, quiet):
    store = Store(tmp_path / "runs")
    (record,) = trainer.train(Job((plan,)), plan.config.runtime, store, quiet)
    assert record.data == {"data_id": plan.data.data_id, "label": "walk", "vocab_size": 20}
    assert (record.n_unique_tokens, record.epochs) == (plan.n_tokens, 1.0)
    assert set(record.losses) == {"valid", "test"}
    for loss in record.losses.values():
        assert loss.entropy_nats < loss.loss_nats < np.log(20) + 0.1
    assert read_record(store.run_dir(plan.run_id)) == record


class Knows:
    """Gives the right next token, but for every fifth position of the text."""

    def __init__(self, windows):
        targets = torch.from_numpy(windows[:, 1:]).clone()
        targets[:, ::5] = (targets[:, ::5] + 1) % 20
        self.logits = torch.nn.functional.one_hot(targets, 20).float()

    def modules(self):
        return ()

    def eval(self):
        return self

    def __call__(self, tokens):
        return self.logits[None]


def test_an_answer_is_right_if_all_its_tokens_are(plan):
    windows = np.random.default_rng(0).integers(0, 20, (8, 31))
    counts = exact_matches(Knows(windows), windows, [1, 2, 5, 31], 20, "cpu")
    assert counts == [[1, 8 * 24, 8 * 30], [2, 8 * 9, 8 * 15], [5, 0, 8 * 6], [31, 0, 0]]


def test_answers_of_a_source_are_the_tokens_that_it_determines(make_config, tmp_path, quiet):
    data = QuantaData(n_digits=4, n_answers=4)
    config = dataclasses.replace(make_config("evaluation.answer_tokens=[1,2]"), data=data)
    plan = resolve(config, prepare(data, (), tmp_path))
    plain = dataclasses.replace(config, evaluation=dataclasses.replace(config.evaluation, answer_tokens=()))
    assert "answer_tokens" not in resolve(plain, plan.data).science["evaluation"]
    store = Store(tmp_path / "runs")
    (record,) = trainer.train(Job((plan,)), plan.config.runtime, store, quiet)
    test = record.losses["test"]
    (one, right, answers), (two, both, pairs) = test.answers
    windows = test.n_tokens // plan.config.model.n_ctx
    assert (one, two, answers, pairs) == (1, 2, windows * 11, windows * 5)
    assert 0 <= both <= right <= answers
    assert read_record(store.run_dir(plan.run_id)) == record
