"""Exact gradients of single sequences, against those that backward() gives one at a time."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from scaling_harness.config.schema import ModelConfig
from scaling_harness.data.batches import BatchSampler
from scaling_harness.models.decoder import Decoder
from scaling_harness.models.language_model import UserModule
from scaling_harness.plan.plan import Job
from scaling_harness.record.gradient_noise_scale import noise_scale
from scaling_harness.record.record import read_record
from scaling_harness.record.store import Store
from scaling_harness.training import gradient_noise as noise
from scaling_harness.training import trainer
from scaling_harness.training.gradient_noise import measure, next_windows


class Mixer(nn.Module):
    """A user's own: dropout draws random numbers, the batch norm keeps averages."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Embedding(32, 8), nn.BatchNorm1d(8, momentum=0.5)
        self.drop, self.head = nn.Dropout(0.0), nn.Linear(8, 32)

    def forward(self, tokens_BT):
        x_BTD = self.embed(tokens_BT).cumsum(1)
        return self.head(self.drop(self.norm(x_BTD.transpose(1, 2)).transpose(1, 2)))


def decoder(parametrisation):
    shape = ModelConfig(n_layer=2, d_model=16, n_ctx=8, parametrisation=parametrisation, n_head=2, token_shift=2)
    model = Decoder(shape, vocab_size=32, seeds=[3, 4])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # away from the zeros of the start
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def brute_force(model, run, windows_BT):
    """Gradient of each sequence's loss by backward(), as rows; and both estimates from their variances."""
    rows = []
    for window_T in windows_BT:
        model.zero_grad()
        batch_R1T = window_T.expand(model.n_runs, 1, -1)
        model.loss(batch_R1T[..., :-1], batch_R1T[..., 1:])[run].backward()
        rows.append(torch.cat([p.grad.flatten() for p in model.parameters()]).double())
    gradients = torch.stack(rows).numpy()
    trace = gradients.var(axis=0, ddof=1).sum()
    return (gradients.mean(0) ** 2).sum() - trace / len(rows), trace


@pytest.mark.parametrize("at_once", [1, 10**9])
@pytest.mark.parametrize("kind", ["mup", "standard", "custom"])
def test_both_estimates_are_those_of_the_sample(kind, at_once, monkeypatch):
    monkeypatch.setattr(noise, "_FLOATS_AT_ONCE", at_once)
    torch.manual_seed(0)
    model = UserModule(Mixer(), {}) if kind == "custom" else decoder(kind)
    windows_BT = torch.randint(0, 32, (5, 9))
    for run in range(model.n_runs):
        grad_sq, trace = measure(model, run, windows_BT)
        expected = brute_force(model, run, windows_BT)
        assert (grad_sq, trace) == pytest.approx(expected, rel=1e-4)
        assert trace > 0


def test_a_measurement_leaves_everything_as_it_was():
    torch.manual_seed(0)
    model = UserModule(Mixer(), {})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    measure(model, 0, torch.randint(0, 32, (5, 9), generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("batch_seqs", [1, 2, 3, 7])
def test_the_sequences_are_those_that_come_next(batch_seqs):
    class Positions:
        """Tokens that are their own positions."""

        def batch(self, seed, i):
            return BatchSampler(np.arange(1000), 8, batch_seqs, seed).batch(i)

    one_by_one = BatchSampler(np.arange(1000), n_ctx=8, batch_seqs=1, seed=3)
    expected = np.concatenate([one_by_one.batch(i) for i in range(4 * batch_seqs, 4 * batch_seqs + 5)])
    assert np.array_equal(next_windows(Positions(), 3, 4, 5), expected)


def run(store_dir, quiet, *plans):
    return trainer.train(Job(tuple(plans)), plans[0].config.runtime, Store(store_dir), quiet)


def rows_of(store_dir, plan):
    return [json.loads(line) for line in Store(store_dir).metrics_path(plan.run_id).read_text().splitlines()]


MEASURED = ("budget.n_tokens=3200", "evaluation.noise_every=10", "evaluation.noise_seqs=4")


def test_a_run_is_measured_and_trains_as_without(make_plan, tmp_path, quiet):
    with_noise, without = make_plan(*MEASURED), make_plan("budget.n_tokens=3200", "evaluation.noise_every=0")
    (record,), (plain,) = run(tmp_path, quiet, with_noise), run(tmp_path, quiet, without)
    rows = rows_of(tmp_path, with_noise)
    noisy = [row for row in rows if "grad_sq" in row]
    assert [row["step"] for row in noisy] == list(range(10, 101, 10))
    assert [row for row in rows if "grad_sq" not in row] == rows_of(tmp_path, without)
    assert plain.noise is None
    assert record.losses == plain.losses
    assert read_record(Store(tmp_path).run_dir(with_noise.run_id)) == record
    last = noisy[-1]
    assert (record.noise["first_step"], record.noise["n_measurements"]) == (70, 4)
    assert record.noise["trace"] == pytest.approx(np.mean([row["grad_trace"] for row in noisy[-4:]]))
    assert record.noise["noise_scale_seqs"] == pytest.approx(last["noise_scale_seqs"])
    assert last["noise_scale_seqs_low"] < last["noise_scale_seqs"] < last["noise_scale_seqs_high"]
    assert last["noise_scale_tokens"] == pytest.approx(32 * last["noise_scale_seqs"])
    assert [row["noise_scale_seqs"] for row in noisy[:3]] == [None] * 3  # too few so far


def test_a_stack_is_measured_run_by_run_as_alone(make_plan, tmp_path, quiet):
    plans = [make_plan(*MEASURED, f"seed={seed}") for seed in (0, 1)]
    for plan in plans:
        run(tmp_path / "alone", quiet, plan)
    run(tmp_path / "stack", quiet, *plans)
    for plan in plans:
        assert rows_of(tmp_path / "stack", plan) == rows_of(tmp_path / "alone", plan)


def test_the_scale_does_not_forget_what_it_measured_before_a_stop(make_plan, tmp_path, quiet):
    from scaling_harness.training.oversight import Interrupted

    class Stop(type(quiet)):
        def tick(self, step):
            if step == 75:
                raise Interrupted("enough")

    plan = make_plan(*MEASURED)
    run(tmp_path / "whole", quiet, plan)
    with pytest.raises(Interrupted):
        run(tmp_path / "cut", Stop(), plan)
    run(tmp_path / "cut", quiet, plan)
    assert rows_of(tmp_path / "cut", plan) == rows_of(tmp_path / "whole", plan)


def test_default_measurements_leave_the_identity_of_runs_alone(make_plan):
    assert "noise_every" not in make_plan().science["evaluation"]
    assert make_plan().fingerprint == make_plan("evaluation.noise_every=512").fingerprint
    assert make_plan().fingerprint != make_plan("evaluation.noise_every=100").fingerprint


def test_a_run_too_short_for_a_measurement_says_so(make_plan, tmp_path, quiet):
    (record,) = run(tmp_path, quiet, make_plan())
    assert record.noise["reason"] == "no measurement"
    assert noise_scale([]).reason == record.noise["reason"]
