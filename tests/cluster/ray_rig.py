"""A real Ray of several nodes that are processes of this machine, each a machine of its own for the locks of claims."""

import contextlib
import os
import signal
from pathlib import Path

import paced
from ray.cluster_utils import Cluster
from slurm_rig import LEASE_S, all_processes, kill

_COMMON = {"include_dashboard": False, "object_store_memory": 80_000_000}


class RayNodes:
    """A head without cores, on which nothing trains, and nodes of one core each.

    Parameters
    ----------
    pace : Path
        File with the pause of a step, of all sweeps trained here.
    names : sequence of str
        Names of the nodes.
    """

    def __init__(self, pace: Path, names) -> None:
        self.pace, self._nodes = pace, {}
        # Ray gives a node on 127.0.0.1 the address that others see, so that all would have the same.
        self._addresses = {name: f"127.0.0.{3 + n}" for n, name in enumerate(names)}
        head = {"num_cpus": 0, "node_ip_address": "127.0.0.2", **_COMMON}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        for name in names:
            self.start_node(name)

    @property
    def address(self) -> str:
        """What `launcher.address` is."""
        return self._cluster.address

    def start_node(self, name: str) -> None:
        """Start a node; returns when the head knows it."""
        environment = {
            "SCALING_HARNESS_KERNEL": name,
            "SCALING_HARNESS_LEASE_S": str(LEASE_S),
            "OMP_NUM_THREADS": "1",
            paced.PACE: str(self.pace),
        }
        self._nodes[name] = self._cluster.add_node(
            num_cpus=1, node_ip_address=self._addresses[name], env_vars=environment, **_COMMON
        )

    def processes(self, name: str, program: str = "") -> list[int]:
        """Processes of a node whose command line holds `program`."""
        mark = f"SCALING_HARNESS_KERNEL={name}"
        return [pid for pid, environment, command in all_processes() if mark in environment and program in command]

    def lose_node(self, name: str) -> None:
        """Kill a node with everything on it, all at once as a power cut does."""
        for pid in self.processes(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in self.processes(name):
            kill(pid)
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def stop(self) -> None:
        """End everything."""
        for name in list(self._nodes):
            self.lose_node(name)
        self._cluster.shutdown()
