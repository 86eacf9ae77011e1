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


TORCH_COMPILE = torch.compile
SMALL = ("--device=cpu", "--sizes=2e4", "--batches=512", "--seconds=0.01")


@pytest.fixture
def on_cpu(tiny, monkeypatch):
    """Overrides of a device that is the CPU, without compilation, whose large vocabulary is one that is fast there."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr(device_speed, "LARGE_VOCAB", 1024)
    return [word for word in tiny if not word.startswith(("budget", "model"))]


def test_a_device_is_measured_beside_the_plain_loop_compiled_and_not(on_cpu, monkeypatch, capsys):
    """On the CPU, whose peak is unknown; a stack whose memory ends, or that fails, is a row too."""
    monkeypatch.setattr(torch, "compile", functools.partial(TORCH_COMPILE, backend="eager"))
    step, errors = Stack.step, {3: torch.OutOfMemoryError("as a GPU says it"), 5: ValueError("of our own")}

    def step_or_fail(stack, i):
        if error := errors.get(len(stack.runs)):
            raise error
        return step(stack, i)

    monkeypatch.setattr(Stack, "step", step_or_fail)
    assert main(["bench", "train", *on_cpu, *SMALL, "--stack=2,3,5", "--json"]) == 0
    out, err = capsys.readouterr()
    plain, compiled, two, three, five, *large = json.loads(out)
    sides = [row["side"] for row in (plain, compiled, two, three, five)]
    assert sides == ["plain", "plain compiled", "ours", "ours", "ours"]
    assert [row["error"] for row in (two, three)] == [None, None]
    assert five["error"].startswith("ValueError: of our own")
    assert three["tokens_per_s"] is five["tokens_per_s"] is None
    for row in (plain, compiled, two, *large):
        assert row["flops_6nd_per_s"] == pytest.approx(6 * row["n_params"] * row["tokens_per_s"])
        assert row["utilisation"] is None
        assert 1e4 < row["n_params"] < 4e4
    assert [(row["side"], row["runs"], row["vocab_size"]) for row in large] == [
        ("plain", 1, 1024),
        ("plain compiled", 1, 1024),
        ("ours", 2, 1024),
    ]
    lines = err.splitlines()
    assert [line.split()[0] for line in lines].count("N") == 1
    assert [line.endswith("does not fit") for line in lines].count(True) == 1
    assert ["ValueError: of our own" in line for line in lines].count(True) == 1
    assert lines[-1].startswith("CPU: MFU is matmul FLOPs a second over an unknown peak")


def test_a_row_is_printed_before_the_next_is_measured_and_kept_if_that_is_stopped(on_cpu, monkeypatch, capsys):
    printed = []

    def stopped(stack, i):
        printed.append(capsys.readouterr().err)
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "step", stopped)
    assert main(["bench", "train", *on_cpu, *SMALL, "--stack=2", "--json"]) == 130
    out = capsys.readouterr().out
    assert [line.split()[5] for line in printed[0].splitlines()] == ["side", "plain", "plain"]
    assert [row["side"] for row in json.loads(out)] == ["plain", "plain compiled"]


def test_a_batch_is_split_where_the_trainer_would(on_cpu, monkeypatch):
    monkeypatch.setattr(device_speed, "machine_bytes", lambda: 0.0)  # one context at a time
    rows = [*device_speed.measure_on_device("cpu", on_cpu, None, [2e4], [1024], [1], 0.01)]
    assert [row.micro_batch for row in rows if row.side == "ours"] == [1, 1]
    assert all(row.tokens_per_s for row in rows)
    assert [row.micro_batch for row in rows if row.side != "ours"] == [None] * 4


def test_bench_train_without_the_gpu_says_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "train", "--device=cuda"]) == 2
    assert "finds no CUDA device here: run this on a machine with an NVIDIA GPU" in capsys.readouterr().err
    assert main(["bench", "train", "--device=cuda", "--rounds=2"]) == 2
    assert "leave --rounds out" in capsys.readouterr().err
    assert main(["bench", "train", "--stack=1,2"]) == 2
    assert "--stack is '1,2'" in capsys.readouterr().err
    for device in ([], ["--device=cpu"]):
        assert main(["bench", "train", *device, "--stack=1.5"]) == 2
        assert "--stack is '1.5': give whole numbers" in capsys.readouterr().err
