import dataclasses
from pathlib import Path

import pytest

from scaling_harness.errors import CannotTrainHereError
from scaling_harness.execution import execute as execution
from scaling_harness.execution.attempts import attempt_numbers, counted_failures
from scaling_harness.execution.failed_runs import changes_since, set_aside
from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.train import train_one


@pytest.fixture
def failed(make_config, make_plan):
    """A run that failed for good, with its configuration, plan and store."""
    config, plan = make_config(), make_plan()
    store = Store(Path(config.runtime.runs_dir))

    def fail(*_):
        raise ValueError("this code is wrong")

    for _ in range(config.runtime.max_attempts):
        outcome = execution.execute(Job((plan,)), config.runtime, store, lambda: False, fail)
    assert outcome.kind == "gave_up"
    return config, plan, store


def test_a_run_that_failed_stays_failed_until_told_or_something_changes(failed, capsys):
    config, plan, store = failed
    assert train_one(config) == 1
    assert "--retry" in capsys.readouterr().err
    assert train_one(config, retry=True) == 0
    assert "trying" in capsys.readouterr().err
    assert store.read(plan.run_id).status == "completed"


def test_another_runtime_is_a_new_chance(failed, capsys):
    config, plan, store = failed
    changed = dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, micro_batch=1))
    assert train_one(changed) == 0
    assert "because runtime.micro_batch was None and is 1" in capsys.readouterr().err
    assert store.read(plan.run_id).status == "completed"


def test_other_versions_code_or_architecture_are_changes_and_folders_are_none(failed):
    config, plan, store = failed
    record = store.read(plan.run_id)
    elsewhere = dataclasses.replace(config.runtime, data_dir="elsewhere")
    assert list(changes_since(record, plan, elsewhere)) == []
    before = {**record.provenance, "commit": "0" * 40, "versions": {**record.provenance["versions"], "torch": "1.0"}}
    other = dataclasses.replace(record, provenance=before, architecture_source="a" * 64)
    said = list(changes_since(other, plan, config.runtime))
    assert [sentence for sentence in said if sentence.startswith("torch was 1.0 and is ")]
    assert "the code of the harness has changed" in said
    assert any(sentence.startswith("the code of ") and "harness" not in sentence for sentence in said)
    edited = dataclasses.replace(record, provenance={**record.provenance, "code": "rooms-0"})
    assert list(changes_since(edited, plan, config.runtime)) == ["the code of the harness has changed"]


def test_a_record_set_aside_leaves_earlier_ones(failed):
    _, plan, store = failed
    folder = store.run_dir(plan.run_id)
    text = store.record_path(plan.run_id).read_text()
    set_aside(plan.run_id, store)
    store.record_path(plan.run_id).write_text(text)
    set_aside(plan.run_id, store)
    assert sorted(path.name for path in folder.glob("record*")) == ["record-failed-1.json", "record-failed-2.json"]


def test_a_device_that_is_not_there_is_said_and_counts_as_no_attempt(make_config, make_plan, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    plan = make_plan()
    runtime = dataclasses.replace(plan.config.runtime, device="cuda")
    store = Store(Path(runtime.runs_dir))
    for _ in range(4):
        with pytest.raises(CannotTrainHereError, match=r"finds no CUDA device.*runtime.device=cpu"):
            execution.execute(Job((plan,)), runtime, store, lambda: False)
    assert train_one(make_config()) == 0
    folder = store.run_dir(plan.run_id)
    assert len(attempt_numbers(folder)) == 5
    assert counted_failures(folder) == []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    second = dataclasses.replace(runtime, device="cuda:1")
    with pytest.raises(CannotTrainHereError, match=r"is cuda:1, but torch .* finds 1 CUDA device here"):
        execution.execute(Job((make_plan("seed=9"),)), second, store, lambda: False)


def test_a_device_that_no_code_here_knows_is_refused(make_config):
    with pytest.raises(ValueError, match="mps is not known: give cpu, cuda"):
        dataclasses.replace(make_config().runtime, device="mps")
