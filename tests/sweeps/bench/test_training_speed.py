"""The plain baseline against what its architecture must be, and the benchmark around it. Never wall times."""

import dataclasses
import functools
import json
import os
import threading
from multiprocessing.connection import Connection

import numpy as np
import pytest
import torch

from scaling_harness.cli import main
from scaling_harness.models.decoder import Decoder
from scaling_harness.models.registry import describe
from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.training.run_stack import Stack
from sweeps.bench import device_speed, plain_gpt2, timed_process, training_speed
from sweeps.bench.timed_process import Sample
from sweeps.bench.training_speed import Round, Shape, n_cores
from sweeps.bench.training_speed_table import rows

BASELINE = ("model=gpt2", "model.d_head=16", "optim=gpt2")


@pytest.fixture
def baseline(make_plan):
    return make_plan(*BASELINE)


def test_the_baseline_is_the_standard_decoder_in_modules_of_its_own(baseline):
    """Two implementations written apart: the same parameters give the same logits."""
    config, V = baseline.config.model, baseline.data.vocab_size
    module = describe(config, V).build()
    decoder = Decoder(dataclasses.replace(config, target=None), V, [0])
    ours = {name.replace("blocks.0.", ""): parameter for name, parameter in decoder.named_parameters()}
    theirs = {name.replace("blocks.0.", ""): parameter for name, parameter in module.named_parameters()}
    names = {"attention_norm.gain": "attention_gain", "mlp_norm.gain": "mlp_gain", "final_norm.gain": "final_gain"}
    with torch.no_grad():
        for name, parameter in theirs.items():
            other = ours[names.get(name, name.removesuffix(".weight"))][0]
            is_linear = name.split(".")[0] in ("qkv", "out", "up", "down")
            parameter.copy_(other.T if is_linear else other)
    tokens = torch.from_numpy(np.arange(64).reshape(2, 32) % V)
    torch.testing.assert_close(module(tokens), decoder(tokens[None])[0], rtol=1e-5, atol=1e-6)


def test_the_counts_of_the_baseline_are_those_of_its_module(baseline):
    module = describe(baseline.config.model, baseline.data.vocab_size).build()
    assert sum(p.numel() for p in module.parameters()) == baseline.n_params["total"] == sum(baseline.params.values())


def test_the_baseline_learns_and_is_recorded(make_plan, tmp_path, quiet):
    run = make_plan(*BASELINE, "optim.lr=0.01", "budget.n_tokens=3200")
    store = Store(tmp_path)
    (record,) = plain_gpt2.train(Job((run,)), run.config.runtime, store, quiet)
    assert record == store.read(run.run_id)
    assert record.status == "completed"
    losses = [json.loads(line)["loss"] for line in store.metrics_path(run.run_id).read_text().splitlines()]
    assert record.losses["valid"].loss_nats < losses[0] - 1.0
    assert losses[0] == pytest.approx(np.log(256), abs=0.1)


def test_a_round_counts_where_the_baseline_could_have_had_its_cores():
    left = [None, 0.95 * n_cores(), 0.85 * n_cores()]
    assert [_round(1.0, cores).counts for cores in left] == [True, True, False]


def test_ratios_are_taken_within_a_round_and_medians_over_those_that_count():
    shape = Shape(n_params=100, d_model=16, batch_tokens=256, stack=4, flops_6nd=600.0, flops_matmul=800.0)
    rounds = [_round(2.0, None), _round(8.0, None), _round(3.0, None), _round(100.0, 0.0)]
    baseline, _, ours = rows([(shape, rounds)])
    assert ours.times_baseline == (3.0, 2.0, 8.0)
    assert baseline.times_baseline == (1.0, 1.0, 1.0)
    assert ours.tokens_per_s == 30.0
    assert ours.flops_matmul_per_s == 30 * 800
    assert ours.gemm_share == pytest.approx(30 * 800 / 1e6)


def _round(ours: float, cores_left: float | None) -> Round:
    sides = {"baseline": 10.0, "processes": 20.0, "ours": 10.0 * ours}
    return Round(sides, dict.fromkeys(sides, Sample(1.0, 1.0, 1)), 1e6, cores_left)


def test_every_side_trains_in_turn(tiny, monkeypatch, capsys):
    """Threads in place of processes, which would import torch seven times over."""
    monkeypatch.setattr(timed_process, "_Process", _Thread)
    monkeypatch.setattr(training_speed, "n_cores", lambda: 1)
    small = ["--sizes=1e4", "--batches=64", "--rounds=2", "--seconds=0.01", "--stack=2", "--json"]
    overrides = [word for word in tiny if not word.startswith(("budget", "model.n_layer", "model.d_model"))]
    assert main(["bench", "train", *overrides, *small]) == 0
    found = json.loads(capsys.readouterr().out)
    (cell,) = found["cells"]
    assert len(cell["rounds"]) == 2
    for one in cell["rounds"]:
        assert set(one["tokens_per_s"]) == {"baseline", "processes", "ours"}
        steps_per_s = one["samples"]["ours"]["steps_per_s"]
        assert one["tokens_per_s"]["ours"] == pytest.approx(steps_per_s * 64 * 2)


class _Thread(threading.Thread):
    """Keeps its end of the pipe open, as a process would by its own copy."""

    def start(self):
        pipe, *rest = self._args
        self._args = (Connection(os.dup(pipe.fileno())), *rest)
        super().start()


def test_bench_train_refuses_sizes_that_are_none(capsys):
    assert main(["bench", "train", "--sizes=small"]) == 2
    assert "--sizes is 'small'" in capsys.readouterr().err


def test_a_device_is_measured_beside_the_plain_loop_compiled_and_not(tiny, monkeypatch, capsys):
    """On the CPU, whose peak is unknown; a stack whose memory ends is a row too."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    step, overrides = Stack.step, [word for word in tiny if not word.startswith(("budget", "model"))]

    def step_unless_large(stack, i):
        if len(stack.runs) == 3:
            raise torch.OutOfMemoryError("as a GPU says it")
        return step(stack, i)

    monkeypatch.setattr(Stack, "step", step_unless_large)
    small = ["--device=cpu", "--sizes=2e4", "--batches=512", "--seconds=0.01", "--stack=2,3"]
    assert main(["bench", "train", *overrides, *small, "--json"]) == 0
    plain, compiled, two, three = json.loads(capsys.readouterr().out)
    assert [row["side"] for row in (plain, compiled, two, three)] == ["plain", "plain compiled", "ours", "ours"]
    assert three["tokens_per_s"] is None
    for row in (plain, compiled, two):
        assert row["flops_6nd_per_s"] == pytest.approx(6 * row["n_params"] * row["tokens_per_s"])
        assert row["flops_matmul_per_s"] > row["flops_6nd_per_s"]
        assert row["utilisation"] is None
    assert 1e4 < plain["n_params"] < 4e4
    rows = [device_speed.DeviceSpeed(**row) for row in (plain, three)]
    device_speed.print_device_speed(rows, "cpu")
    said = capsys.readouterr().out
    assert "does not fit" in said
    assert "CPU: MFU is matmul FLOPs a second over an unknown peak" in said


def test_bench_train_without_the_gpu_says_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "train", "--device=cuda"]) == 2
    assert "finds no CUDA device here: run this on a machine with an NVIDIA GPU" in capsys.readouterr().err
    assert main(["bench", "train", "--device=cuda", "--rounds=2"]) == 2
    assert "leave --rounds out" in capsys.readouterr().err
    assert main(["bench", "train", "--stack=1,2"]) == 2
    assert "--stack is '1,2'" in capsys.readouterr().err
