import pytest

from scaling_harness.execution.device_lock import place_on_device


def test_many_share_a_device_or_one_has_it_alone(tmp_path):
    with place_on_device(tmp_path, alone=False) as first, place_on_device(tmp_path, alone=False) as second:
        assert first
        assert second
        with place_on_device(tmp_path, alone=True) as third:
            assert not third
    with place_on_device(tmp_path, alone=True) as only:
        assert only
        with place_on_device(tmp_path, alone=False) as late:
            assert not late


@pytest.mark.parametrize("where", ["device", "store"])
def test_other_devices_and_other_stores_are_no_matter(tmp_path, monkeypatch, where):
    with place_on_device(tmp_path, alone=True):
        if where == "device":
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
        with place_on_device(tmp_path if where == "device" else tmp_path / "other", alone=True) as granted:
            assert granted
