"""What can be wrong with Ray, with a module in its place; tests/cluster has the real one."""

import socket
import sys
from types import SimpleNamespace

import pytest

from scaling_harness.cli import main
from scaling_harness.config.compose import compose
from scaling_harness.errors import UserError
from sweeps.compose import launcher_config
from sweeps.launchers.ray_connection import answers, check_resources, connect


def config(*overrides):
    return launcher_config(compose(["launcher=ray", *overrides]))


@pytest.fixture
def ray(monkeypatch):
    """Ray, which notes how it was started, and refuses if told to."""
    fake = SimpleNamespace(calls=[], refusal=None, is_initialized=lambda: bool(fake.calls))

    def init(**options):
        if fake.refusal:
            raise fake.refusal
        fake.calls.append(options)

    fake.init = init
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    return fake


def test_without_ray_the_sentence_says_how_to_get_it(monkeypatch, tiny, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    folder = tmp_path / "my-conf" / "sweep"
    folder.mkdir(parents=True)
    grid = "{shapes: [[1, 16]], budgets: {n_tokens: [320]}, seeds: [0]}"
    (folder / "mine.yaml").write_text(f'question: "?"\nname: mine\ngrids: [{grid}]\n')
    assert main(["sweep", "run", "mine", "launcher=ray", *tiny, f"--config-dir={folder.parent}"]) == 2
    said = capsys.readouterr().err
    assert "pip install 'scaling-harness[ray]'" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs" / "mine").exists()


def test_a_process_connects_once(ray):
    assert connect(config()) is ray
    assert connect(config()) is ray
    assert [call["address"] for call in ray.calls] == [None]


def test_an_address_where_nothing_answers(ray):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:port"):
        with pytest.raises(UserError, match=rf"no Ray cluster answers at {address} .* within 2 s") as raised:
            connect(config(f"launcher.address={address}", "launcher.connect_s=2"))
        assert "launcher.address" in str(raised.value)
    assert ray.calls == []


def test_the_address_of_the_environment_is_looked_at_first_too(ray, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with pytest.raises(UserError, match=rf"no Ray cluster answers at 127.0.0.1:{port} \(RAY_ADDRESS\) within 2 s"):
        connect(config("launcher.connect_s=2"))
    assert ray.calls == []


def test_a_head_that_is_gone_is_noticed(ray):
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        address = f"127.0.0.1:{head.getsockname()[1]}"
        ray.get_runtime_context = lambda: SimpleNamespace(gcs_address=address)
        assert answers(ray)
        head.close()
        assert not answers(ray)
    ray.get_runtime_context = SimpleNamespace  # a client's has no address
    assert answers(ray)


def test_an_address_where_something_else_listens(ray):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(UserError, match=r"something listens there \(.*: give the port of the head node"):
            connect(config(f"launcher.address={address}", "launcher.connect_s=1"))
        connect(config(f"launcher.address=ray://{address}"))  # a Ray client has a time limit of its own
    assert [call["address"] for call in ray.calls] == [f"ray://{address}"]


def test_what_ray_refuses_is_a_sentence(ray):
    ray.refusal = RuntimeError("Version mismatch:\n the cluster has Ray 2.9")
    with pytest.raises(UserError, match="could not start Ray on this machine: RuntimeError: Version mismatch: the"):
        connect(config())
    with pytest.raises(UserError, match="could not connect to the Ray cluster at auto: "):
        connect(config("launcher.address=auto"))


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"CPU": 4, "GPU": 0}, True),
        ({"CPU": 1, "GPU": 0.25}, True),
        ({"CPU": 4, "GPU": 1}, False),  # the node with the GPU has two cores
        ({"CPU": 1, "GPU": 2}, False),
    ],
)
def test_a_worker_must_fit_on_one_node_that_is_alive(wanted, fits):
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    fake = SimpleNamespace(nodes=lambda: nodes)
    check_resources(fake, wanted, autoscaling=True)
    if fits:
        check_resources(fake, wanted, autoscaling=False)
    else:
        with pytest.raises(UserError, match=r"its nodes: 2 CPU, 1 GPU; 4 CPU, 0 GPU") as raised:
            check_resources(fake, wanted, autoscaling=False)
        assert f"asks for {wanted['CPU']} CPU and {wanted['GPU']} GPU of one node" in str(raised.value)
