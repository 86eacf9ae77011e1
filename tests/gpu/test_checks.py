"""Each check on the CPU, so that none is dead code, and on a GPU by `make test-gpu`."""

import dataclasses

import pytest

pytest.importorskip("torch")
import checks
from checks import CHECKS, MEDIUM, SMALL, NotRun, Rig, as_shipped, compiled, several_processes, sharded_optimizer

GPU = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture
def make_rig(tiny, make_plan, tmp_path):
    def make(device: str) -> Rig:
        size = SMALL if device == "cpu" else MEDIUM
        return Rig(device, tmp_path, (*tiny, *size), lambda *more: make_plan(*size, *more))

    return make


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, while it traces
@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_device_trains_as_it_must(check, device, make_rig, record_property, monkeypatch):
    if device == "cpu" and check in (compiled, as_shipped):
        _compile_without_a_compiler(monkeypatch)
    try:
        found = check(make_rig(device))
    except NotRun as reason:
        pytest.skip(f"not run: {reason}")
    record_property("finding", dataclasses.asdict(found))
    assert found.measured <= found.allowed, f"{found.what}: {found.measured:.3g}, allowed {found.allowed:.3g}"


def _compile_without_a_compiler(monkeypatch):
    """Trace as for a GPU, and run what was traced in place of code made from it, which takes minutes on a CPU."""
    import torch

    compile_fully = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **_: compile_fully(function, backend="eager"))


@pytest.mark.parametrize("check", [several_processes, sharded_optimizer], ids=lambda check: check.__name__)
def test_what_needs_several_gpus_is_not_run_on_one(check, make_rig, monkeypatch):
    monkeypatch.setattr(checks, "_add_up_alone", lambda rig: None)
    monkeypatch.setattr(checks.torch.cuda, "device_count", lambda: 1)
    with pytest.raises(NotRun, match="one GPU"):
        check(make_rig("cuda"))
