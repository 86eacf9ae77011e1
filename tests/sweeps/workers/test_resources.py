import dataclasses

import pytest
import torch

from sweeps.workers.resources import devices_for, share_devices, share_memory


@pytest.mark.parametrize(
    ("slots", "per_run", "devices", "shares"),
    [
        (2, 1, [], [None, None]),
        (2, 1, ["4", "5"], ["4", "5"]),
        (4, 1, ["4", "5"], ["4", "5", "4", "5"]),
        (2, 2, ["0", "1", "2", "3"], ["0,1", "2,3"]),
    ],
)
def test_slots_share_the_devices_of_a_node(slots, per_run, devices, shares):
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in share_devices(slots, per_run, devices)] == shares


def test_workers_of_one_machine_are_spread_over_its_gpus(make_config, monkeypatch):
    runtime = dataclasses.replace(make_config().runtime, device="cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices_for(runtime) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert devices_for(runtime) == ["3", "5"]
    assert share_memory(runtime, 8, 1, ["3", "5"]).gpu_share == 0.25
    assert share_memory(runtime, 0, 1, ["3", "5"]).gpu_share == 1.0
    assert [devices_for(dataclasses.replace(runtime, device=device)) for device in ("cpu", "cuda:1")] == [[], []]
