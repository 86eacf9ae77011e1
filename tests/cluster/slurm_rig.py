"""A real SLURM on loopback: four nodes that are processes, with fake GPUs, all below one directory.

Needs root and the Debian packages slurmctld, slurmd, slurm-client and munge; starts no service, writes nothing in /etc.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "sinfo", "scancel")
NODES = ("n0", "n1", "n2", "n3")
LEASE_S = 10.0
"""Of the sweeps run here: an owner on another node that did not beat for so long is dead."""

_DEADLINE_S = 400.0
"""For anything that takes a second or two on an idle machine."""
_LIVE_STATES = "PENDING,RUNNING,COMPLETING,CONFIGURING,SUSPENDED,REQUEUED"
_CONFIGURATION = """
ClusterName=rig
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=100000,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
JobRequeue=1
KillWait=3
SlurmdTimeout=20
MinJobAge=300
MaxArraySize=2
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=UNLIMITED State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=ALL MaxTime=UNLIMITED State=UP PriorityTier=10 PreemptMode=OFF
"""
_NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=8000 Gres=gpu:fake:2"


def reason_it_cannot_run() -> str | None:
    """Why there can be no SLURM here; None where there can."""
    if os.geteuid() != 0:
        return "a SLURM of its own needs root"
    missing = [name for name in PROGRAMS if shutil.which(name, path=_search_path()) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def wait_for(condition: Callable[[], object], what: str, seconds: float = _DEADLINE_S) -> None:
    """Poll until a condition holds; the deadline is for what never comes."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


class Slurm:
    """One controller and its nodes.

    Parameters
    ----------
    root : Path
        Empty; its name is short, sockets lie in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "SLURM_CONF": str(root / "slurm.conf"), "PATH": _search_path()}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._configure()

    def start(self) -> None:
        """Start all daemons; returns when every node is idle."""
        # Its own key, socket and everything; --force because a temporary directory is not as closed as it wishes.
        paths = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid"}
        paths |= {"log-file": "munge.log", "seed-file": "munge.seed"}
        options = [f"--{option}={self.root / name}" for option, name in paths.items()]
        self._daemon("munged", "munged", "--foreground", "--force", *options)
        wait_for((self.root / "munge.socket").exists, "munged listens")
        self._daemon("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        wait_for(lambda: self.node_states() == ["idle"] * len(NODES), "all nodes are idle", seconds=60.0)

    def stop(self) -> None:
        """End every job, process and daemon, whatever state they are in."""
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            self.clear()
        for pid in self.processes():
            kill(pid)
        for daemon in reversed(self._daemons.values()):
            daemon.kill()
            daemon.wait()

    def clear(self) -> None:
        """Cancel what a failed test has left; every node is up and idle afterwards."""
        self.run("scancel", "--user=root", check=False)
        for node in NODES:
            if node not in self._daemons:
                self.start_node(node)
        wait_for(lambda: self.node_states() == ["idle"] * len(NODES), "all nodes are idle", seconds=60.0)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a client program; what it printed."""
        said = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert not check or said.returncode == 0, f"{' '.join(command)}: {said.stderr}"
        return said.stdout

    def submit(self, *options: str, script: str) -> str:
        """Submit a plain job; its id."""
        return self.run(
            "sbatch", "--parsable", f"--output={self.root}/job-%j.out", *options, f"--wrap={script}"
        ).strip()

    def node_states(self) -> list[str]:
        """State of each node, such as `idle`; with a star where it does not answer."""
        return self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%t", check=False).split()

    def live_jobs(self) -> list[tuple[str, str, str]]:
        """Id, state and node of every array task or job that is not over."""
        lines = self.run(
            "squeue", "--noheader", "--array", f"--states={_LIVE_STATES}", "--format=%i|%T|%N"
        ).splitlines()
        return [(line + "||").split("|")[:3] for line in lines]  # pyright: ignore[reportReturnType]

    def running(self) -> dict[str, str]:
        """Node of every running task by id."""
        return {job: node for job, state, node in self.live_jobs() if state == "RUNNING"}

    def processes(self, node: str | None = None, program: str = "") -> list[int]:
        """Processes of jobs on a node, or on all, whose command line holds `program`."""
        wanted = {f"SLURM_CONF={self.root}/slurm.conf"} | ({f"SLURMD_NODENAME={node}"} if node else set())
        found = []
        for pid, environment, command in all_processes():
            if wanted <= environment and "SLURM_JOB_ID" in {item.split("=")[0] for item in environment}:
                found += [pid] if program in command else []
        return found

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._daemon(node, "slurmd", "-D", "-N", node)

    def lose_node(self, node: str) -> None:
        """Kill a node with everything on it, all at once as a power cut does."""
        daemon = self._daemons.pop(node)
        # Its step daemons are children of nobody, and hold the node's name in their command line or environment.
        victims = [daemon.pid, *self._step_daemons(node), *self.processes(node)]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in {*victims, *self._step_daemons(node), *self.processes(node)}:
            kill(pid)
        daemon.wait()

    def _step_daemons(self, node: str) -> list[int]:
        mark = f"SLURM_CONF={self.root}/slurm.conf"
        jobs = [job for job, on in self.running().items() if on == node]
        ids = {self.run("squeue", "--noheader", f"--jobs={job}", "--format=%A").strip() for job in jobs}
        return [
            pid
            for pid, environment, command in all_processes()
            if mark in environment and command.startswith("slurmstepd: [") and command[13:].split(".")[0] in ids
        ]

    def _daemon(self, name: str, program: str, *options: str) -> None:
        path = shutil.which(program, path=_search_path())
        assert path is not None
        self._daemons[name] = subprocess.Popen(
            # They end with this process even where it is killed, and has no time to stop them.
            ["setpriv", "--pdeathsig", "KILL", path, *options],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        ports = _free_ports(1 + len(NODES))
        nodes = "\n".join(
            _NODE.format(name=node, host=host, port=port) for node, port in zip(NODES, ports[1:], strict=True)
        )
        text = _CONFIGURATION.format(host=host, port=ports[0], root=self.root, nodes=nodes)
        (self.root / "slurm.conf").write_text(text)
        (self.root / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName=n[0-3] Name=gpu Type=fake File={self.root}/gpu[0-1]\n"
        )
        for name in ("gpu0", "gpu1"):  # devices of /dev/null's kind: SLURM wants character devices
            os.mknod(self.root / name, 0o20666, os.makedev(1, 3))
        (self.root / "state").mkdir()
        for node in NODES:
            (self.root / f"spool-{node}").mkdir()
        (self.root / "munge.key").write_bytes(os.urandom(128))
        (self.root / "munge.key").chmod(0o400)


def all_processes() -> Iterator[tuple[int, set[str], str]]:
    """Process id, environment and command line of everything that can be looked at."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                environment = set((folder / "environ").read_text(errors="replace").split("\0"))
                command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
                yield int(folder.name), environment, command


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _search_path() -> str:
    """PATH, with the directories of system programs, which a user's own may lack."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
