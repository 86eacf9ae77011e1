import pytest

from sweeps.workers.resources import share_devices


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
