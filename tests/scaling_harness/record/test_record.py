import dataclasses
import json
import math

import pytest

from scaling_harness.errors import HarnessError
from scaling_harness.record.record import SCHEMA_VERSION, EvalLoss, RunRecord, read_record, write_record


def a_record(**changes) -> RunRecord:
    fields = dict(
        run_id="mup-l2-d16-D1k-s0-00000000",
        name="mup-l2-d16-D1k-s0",
        fingerprint="0" * 64,
        job_id="mup-l2-d16-D1k-s0-00000000",
        trunk=None,
        status="completed",
        reason=None,
        config={"seed": 0},
        runtime={"device": "cpu"},
        params={"head": 4096},
        n_params={"with_head": 4096},
        n_tokens=1024,
        n_unique_tokens=4096,
        epochs=0.25,
        n_steps=8,
        batch_tokens=128,
        learning_rate=0.002,
        train_flops={"6nd_with_head": 2.5e7},
        spent_flops=2.5e7,
        losses={"valid": EvalLoss(2.5, 0.01, 4096)},
        train_loss_nats=2.6,
        noise=None,
        wall_s=1.0,
        tokens_per_s=1024.0,
        peak_memory_bytes=1,
        data={"data_id": "x"},
        provenance={},
        architecture_source=None,
    )
    return RunRecord(**{**fields, "schema_version": SCHEMA_VERSION, **changes})


def test_round_trip(tmp_path):
    record = a_record(warnings=["one"])
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_losses_in_bits_a_byte():
    losses = {"valid": EvalLoss(math.log(16), 0.0, 1), "test": EvalLoss(math.log(4), 0.0, 1)}
    record = a_record(losses=losses, data={"set_bytes_per_token": {"valid": 4.0, "test": 2.0}})
    assert record.bits_per_byte == {"valid": pytest.approx(1.0), "test": pytest.approx(1.0)}
    of_bytes, of_bpe, unknown = (
        dataclasses.replace(record, data=d) for d in ({"bytes_per_token": 1.0}, {"bytes_per_token": 2.0}, {})
    )
    assert of_bytes.bits_per_byte == {"valid": pytest.approx(4.0), "test": pytest.approx(2.0)}
    assert of_bpe.bits_per_byte == {"valid": pytest.approx(2.0)}
    assert unknown.bits_per_byte == {}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: text.replace('"schema_version": 4', '"schema_version": 99'), "schema version 99"),
        (lambda text: text.replace('"epochs"', '"epoch"'), "epoch, epochs"),
        (lambda text: "[]", "schema version None"),
    ],
)
def test_a_damaged_record_is_a_sentence(tmp_path, change, sentence):
    write_record(tmp_path, a_record())
    path = tmp_path / "record.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(HarnessError, match=sentence):
        read_record(tmp_path)


def test_no_record_means_not_finished(tmp_path):
    with pytest.raises(HarnessError, match="has not finished"):
        read_record(tmp_path)


def test_every_field_is_json(tmp_path):
    assert json.loads(json.dumps(dataclasses.asdict(a_record())))["losses"]["valid"]["n_tokens"] == 4096


VERSION_1 = """{
 "run_id": "mup-l2-d16-D1k-s0-00000000", "name": "mup-l2-d16-D1k-s0", "fingerprint": "%s",
 "job_id": "mup-l2-d16-D1k-s0-00000000", "trunk": null, "status": "completed", "reason": null, "config": {"seed": 0},
 "runtime": {"device": "cpu"}, "params": {"head": 4096}, "n_params": {"with_head": 4096}, "n_tokens": 1024,
 "n_unique_tokens": 4096, "epochs": 0.25, "n_steps": 8, "batch_tokens": 128, "learning_rate": 0.002,
 "train_flops": {"6nd_with_head": 2.5e7}, "spent_flops": 2.5e7,
 "losses": {"valid": {"loss_nats": 2.5, "stderr_nats": 0.01, "n_tokens": 4096}}, "train_loss_nats": 2.6,
 "wall_s": 1.0, "tokens_per_s": 1024.0, "peak_memory_bytes": 1, "data": {"data_id": "x"}, "provenance": {},
 "warnings": [], "schema_version": 1
}""" % ("0" * 64)


def test_records_of_earlier_versions_are_read(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(VERSION_1)
    assert read_record(tmp_path) == a_record()
    noise = '{"noise_scale_seqs": 3.5}'
    path.write_text(VERSION_1.replace('"schema_version": 1', f'"noise": {noise}, "schema_version": 2'))
    assert read_record(tmp_path) == a_record(noise=json.loads(noise))
    third = f'"noise": {noise}, "architecture_source": null, "schema_version": 3'
    path.write_text(VERSION_1.replace('"schema_version": 1', third))
    assert read_record(tmp_path) == a_record(noise=json.loads(noise))
