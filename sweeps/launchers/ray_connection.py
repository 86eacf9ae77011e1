"""Connect to a Ray cluster, or start Ray on this machine; whatever is missing becomes a `UserError`."""

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scaling_harness.errors import UserError, one_line
from sweeps.config import RayLauncherConfig


def connect(config: RayLauncherConfig) -> Any:
    """Import Ray and connect this process to a cluster, if it is not connected yet.

    Parameters
    ----------
    config : RayLauncherConfig
        Where the cluster is.

    Returns
    -------
    module
        The module `ray`, connected until this process ends.

    Raises
    ------
    UserError
        Ray is not installed, nothing answers at the address in time, or Ray refuses or cannot start.
    """
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise UserError(
            f"launcher=ray needs Ray, which cannot be imported here ({error}): pip install 'scaling-harness[ray]'"
        ) from error
    if ray.is_initialized():
        return ray
    address = config.address or os.environ.get("RAY_ADDRESS") or None
    if address and ":" in address:
        _check_address(address, "launcher.address" if config.address else "RAY_ADDRESS", config.connect_s)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a Ray of our own sends nothing to its authors
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except Exception as error:
        where = f"connect to the Ray cluster at {address}" if address else "start Ray on this machine"
        raise UserError(f"could not {where}: {one_line(error)}") from error
    return ray


def check_resources(ray: Any, wanted: Mapping[str, float], autoscaling: bool) -> None:
    """Check that at least one node of the cluster could hold a task.

    Parameters
    ----------
    ray : module
        See `connect`.
    wanted : mapping of str to float
        What a task asks for, by Ray's name: CPU, GPU.
    autoscaling : bool
        Whether the cluster adds nodes by itself; nothing is checked then.

    Raises
    ------
    UserError
        No node could hold it, so that it would wait forever.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if autoscaling or any(all(node.get(name, 0.0) >= n for name, n in wanted.items()) for node in nodes):
        return
    asked = " and ".join(name if ":" in name else f"{n:g} {name}" for name, n in wanted.items() if n)
    there = "; ".join(sorted({_sentence(node) for node in nodes})) or "none"
    raise UserError(
        f"a worker asks for {asked} of one node, and no node of the Ray cluster has that (its nodes: {there}): ask for "
        "less (runtime.device, launcher.gpus_per_run, launcher.cpus_per_run, runtime.threads, launcher.options), or "
        "set launcher.autoscaling=true if the cluster adds nodes by itself"
    )


def _sentence(node: Mapping[str, float]) -> str:
    own = [name if ":" in name else f"{n:g} {name}" for name, n in sorted(node.items()) if _is_own(name)]
    return ", ".join([f"{node.get('CPU', 0.0):g} CPU, {node.get('GPU', 0.0):g} GPU", *own])


def _is_own(name: str) -> bool:
    """Whether a resource is one that the cluster's owner or the kind of GPU gave a node, and not one that each has."""
    return name not in ("CPU", "GPU", "memory", "object_store_memory") and not name.startswith("node:")


def answers(ray: Any) -> bool:
    """Whether the head of the cluster still accepts connections; of one reached as a client, always."""
    host, _, port = str(getattr(ray.get_runtime_context(), "gcs_address", "")).rpartition(":")
    if not port.isdigit():
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def _check_address(address: str, named: str, seconds: float) -> None:
    """Check that a Ray answers, since `ray.init` would try for minutes; of a Ray client only that something listens."""
    silent = f"no Ray cluster answers at {address} ({named}) within {seconds:g} s (launcher.connect_s)"
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds).close()
    except (OSError, ValueError) as error:
        raise UserError(f"{silent}: {error}") from error
    if parts.scheme:
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=seconds)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        why = f" ({said[-1].strip()})" if said else ""
        raise UserError(
            f"{silent}, though something listens there{why}: give the port of the head node, 6379, and what the "
            "cluster asks for, such as RAY_AUTH_MODE=token"
        ) from error
