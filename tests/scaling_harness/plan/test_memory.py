"""A run that cannot be held in memory is refused, and one that can is not."""

import dataclasses

import pytest

from scaling_harness.cli import main
from scaling_harness.errors import CannotTrainHereError
from scaling_harness.plan import memory


def test_a_run_is_refused_by_its_least_memory(make_plan, monkeypatch):
    plan = make_plan()
    least = memory.PROCESS_BYTES + memory.run_bytes(plan, batch_seqs=1)
    monkeypatch.setattr(memory, "machine_bytes", lambda: least)
    memory.refuse_too_large(plan)
    monkeypatch.setattr(memory, "machine_bytes", lambda: least - 1)
    with pytest.raises(CannotTrainHereError, match=r"0 GB with one context at a time, and this machine has 0 GB"):
        memory.refuse_too_large(plan)


def test_the_memory_of_a_container_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", tmp_path / "memory.max")
    whole = memory.machine_bytes()
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.machine_bytes() == whole
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory.machine_bytes() == 1e6


def test_a_batch_that_does_not_fit_is_cut_in_parts_that_do(make_plan):
    plan = make_plan("budget.batch_tokens=320", "budget.n_tokens=3200")
    runs, runtime = (plan, plan), plan.config.runtime

    def room_for(contexts):
        return memory.PROCESS_BYTES + 2 * memory.run_bytes(plan, contexts)

    assert memory.fitting_micro_batch(runs, runtime, room_for(10)) is None
    assert [memory.fitting_micro_batch(runs, runtime, room_for(n)) for n in (9, 6, 4, 3, 1)] == [5, 5, 4, 3, 1]


def test_what_a_gpu_keeps_is_counted(make_plan):
    plan = make_plan()
    cpu = plan.config.runtime
    gpu = dataclasses.replace(cpu, device="cuda")
    assert memory.run_bytes(plan, 1, gpu) != memory.run_bytes(plan, 1, cpu)
    deep = make_plan("model.n_layer=8")
    recomputing = dataclasses.replace(cpu, recompute_activations=True)
    assert memory.run_bytes(deep, runtime=recomputing) < 0.7 * memory.run_bytes(deep, runtime=cpu)
    memory.refuse_too_large(plan, gpu, gpu_bytes=1e12)
    with pytest.raises(CannotTrainHereError, match="its share of the GPU has 0 GB"):
        memory.refuse_too_large(plan, gpu, gpu_bytes=1e6)


def test_a_large_vocabulary_adds_the_logits_of_a_few_positions(make_plan):
    plan = make_plan("budget.batch_tokens=32768", "budget.n_tokens=32768", "data.max_epochs=100")
    large = dataclasses.replace(plan, data=dataclasses.replace(plan.data, vocab_size=50_257))
    assert memory.run_bytes(large) - memory.run_bytes(plan) < 3 * 4 * (1 << 24)
    # The GPU's part is larger, and its prediction knows: 32,768 positions are more than one part there too.
    gpu = dataclasses.replace(plan.config.runtime, device="cuda")
    added = memory.run_bytes(large, runtime=gpu) - memory.run_bytes(plan, runtime=gpu)
    assert 0.8 * 3 * 4 * (1 << 28) < added < 3 * 4 * (1 << 28)


@pytest.mark.parametrize("target", ["gpt2", "lstm"])
def test_only_the_decoder_is_spared_the_logits_of_all_positions(make_plan, target):
    batch = ("budget.batch_tokens=32768", "budget.n_tokens=32768", "data.max_epochs=100")
    plan = make_plan("model=gpt2", f"model.target={target}", *batch)
    V = 50_257
    large = dataclasses.replace(plan, data=dataclasses.replace(plan.data, vocab_size=V))
    logits = memory.run_bytes(large) - memory.run_bytes(plan)
    assert logits == pytest.approx(3 * 4 * 32768 * (V - plan.data.vocab_size))


def test_autocast_keeps_copies_of_the_weights_unless_it_is_compiled(make_plan):
    plan = dataclasses.replace(make_plan(), params={"mlp": 1_000_000_000})
    gpu = dataclasses.replace(plan.config.runtime, device="cuda", dtype="bfloat16", compile=True)
    eager = dataclasses.replace(gpu, compile=False)
    compiled = memory.run_bytes(plan, 1, gpu)
    assert memory.run_bytes(plan, 1, eager) - compiled == 2 * 1_000_000_000  # two bytes a parameter
    assert memory.run_bytes(plan, 1, dataclasses.replace(eager, dtype="float32")) == compiled


def test_a_row_of_seven_billion_fits_eight_cards_of_80_gb(make_plan):
    """On paper: with the moments shared, activations computed twice, and one context of 2,048 tokens at a time."""
    small = make_plan()
    model = dataclasses.replace(small.config.model, n_layer=32, d_model=4096, n_ctx=2048)
    runtime = dataclasses.replace(
        small.config.runtime,
        device="cuda",
        dtype="bfloat16",
        compile=True,
        shard_optimizer=True,
        recompute_activations=True,
    )
    large = dataclasses.replace(
        small,
        config=dataclasses.replace(small.config, model=model, runtime=runtime),
        params={**small.params, "mlp": 7_000_000_000},
        batch_tokens=2048 * 512,
        data=dataclasses.replace(small.data, vocab_size=32_000),
    )
    memory.refuse_too_large(large, gpu_bytes=80e9, n_processes=8)
    assert memory.fitting_micro_batch([large], runtime, 80e9, n_processes=8) is not None
    with pytest.raises(CannotTrainHereError, match=r"its share of the GPU has 80 GB: make .* with several GPUs a run"):
        memory.refuse_too_large(large, gpu_bytes=80e9)
    plain = dataclasses.replace(runtime, shard_optimizer=False, recompute_activations=False)
    ways = "recompute_activations=true or runtime.shard_optimizer=true on several GPUs a run"
    with pytest.raises(CannotTrainHereError, match=f"smaller, or train it with runtime.{ways}"):
        memory.refuse_too_large(large, plain, gpu_bytes=80e9)
    with pytest.raises(CannotTrainHereError, match=r"smaller$"):
        memory.refuse_too_large(large, plain, gpu_bytes=50e9)  # parameters and gradients alone take 56


MILLION = "sweep.grids=[{shapes: [[1000000, 64]], budgets: {n_tokens: [2560]}, seeds: [0]}]"


@pytest.mark.parametrize(
    "words", [("train", "model.n_layer=1000000", "budget.n_tokens=2560"), ("sweep", "plan", "reproduce-mini", MILLION)]
)
def test_a_million_layers_are_refused_and_not_killed(words, tiny, capsys):
    where = [word for word in tiny if word.startswith(("data", "runtime."))]
    assert main([*words, *where]) == 2
    said = capsys.readouterr().err
    assert "GB with one context at a time, and this machine has" in said
    assert "make model.n_layer, model.d_model or model.n_ctx smaller" in said
