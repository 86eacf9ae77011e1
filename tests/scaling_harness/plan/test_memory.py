"""A run that cannot be held in memory is refused, and one that can is not."""

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
