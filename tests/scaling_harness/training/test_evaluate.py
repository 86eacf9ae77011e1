"""Evaluation against the true law of generated tokens."""

import dataclasses

import numpy as np
import pytest
import torch

from scaling_harness.config.schema import WalkData
from scaling_harness.data.open_source import open_source
from scaling_harness.data.prepare import prepare
from scaling_harness.plan.plan import Job, resolve
from scaling_harness.record.record import read_record
from scaling_harness.record.store import Store
from scaling_harness.training import trainer
from scaling_harness.training.evaluate import evaluate
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
