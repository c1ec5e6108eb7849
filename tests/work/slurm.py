"""A real Slurm of two nodes on this machine's loopback, without accounting: start, break, stop."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scontrol", "scancel")
_MUNGE = ("--force", "--num-threads=2")
_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd-%n.pid
SlurmdSpoolDir={base}/spool-%n
StateSaveLocation={base}/state
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd-%n.log
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=2
SlurmdTimeout=10
SlurmdParameters=config_overrides
GresTypes=gpu
MaxArraySize=64
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs=2 RealMemory=4000 Gres=gpu:1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={two} CPUs=2 RealMemory=4000 Gres=gpu:1
PartitionName=low Nodes=n[1-2] Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE
PartitionName=cancels Nodes=n[1-2] MaxTime=INFINITE PriorityTier=1 PreemptMode=CANCEL
PartitionName=high Nodes=n[1-2] MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
"""


def lacking() -> list[str]:
    """The programs that a Slurm of one's own needs and that are not here; ``root`` if not root."""
    found = [name for name in PROGRAMS if shutil.which(name) is None]
    return [*found, *(["root"] if os.geteuid() else [])]


class Slurm:
    """A cluster of nodes n1 and n2, of two cores and a pretended GPU each.

    Attributes:
        environment: with SLURM_CONF.
    """

    def __init__(self, base: Path) -> None:
        self.base, self._started = base, list[Path]()
        self.environment = {**os.environ, "SLURM_CONF": str(base / "slurm.conf")}

    def start(self) -> None:
        """Start every daemon, each known by its pid file."""
        (self.base / "state").mkdir(parents=True)
        (self.base / "munge.key").write_bytes(os.urandom(1024))
        (self.base / "munge.key").chmod(0o600)
        self.base.chmod(0o755)
        ports = dict(zip(("port", "one", "two"), _free_ports(3), strict=True))
        host = socket.gethostname().partition(".")[0]
        conf = _CONF.format(base=self.base, host=host, **ports)
        (self.base / "slurm.conf").write_text(conf)
        for node in ("n1", "n2"):
            (self.base / f"spool-{node}").mkdir()
        device = self.base / "gpu0"
        os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        gres = [f"NodeName={node} Name=gpu File={device}\n" for node in ("n1", "n2")]
        (self.base / "gres.conf").write_text("".join(gres))
        munge = [f"--{key}={self.base / name}" for key, name in _FILES.items()]
        self._run("munged", *_MUNGE, *munge, pid="munge.pid")
        self._run("slurmctld", pid="slurmctld.pid")
        for node in ("n1", "n2"):
            self.boot(node)
        self.until(self.is_idle)

    def is_idle(self) -> bool:
        """Whether both nodes are up and have nothing to do."""
        return self.ask("sinfo", "-h", "-N", "-p", "low", "-o", "%t").split() == ["idle", "idle"]

    def boot(self, node: str) -> None:
        """Start the daemon of a node."""
        self._run("slurmd", "-N", node, pid=f"slurmd-{node}.pid")

    def crash(self, node: str) -> None:
        """SIGKILL of a node's daemon and of all that runs on it."""
        os.kill(int((self.base / f"slurmd-{node}.pid").read_text()), signal.SIGKILL)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                theirs = process.environ()
                ours = theirs.get("SLURM_CONF") == self.environment["SLURM_CONF"]
                if ours and theirs.get("SLURMD_NODENAME") == node:
                    process.kill()

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout

    def until(self, is_so, seconds: float = 60) -> None:
        """Wait until ``is_so()``."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, self.ask("squeue", "-r") + self.ask("sinfo")
            time.sleep(0.1)

    def stop(self) -> None:
        """End all jobs, then every daemon by its pid."""
        self.ask("scancel", "--user=root")
        self.ask("scancel", "--signal=KILL", "--full", "--user=root")
        with contextlib.suppress(AssertionError):
            self.until(lambda: not self.ask("squeue", "-h").strip(), 15)
        for file in reversed(self._started):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(file.read_text()), signal.SIGTERM)
        time.sleep(0.5)
        for file in reversed(self._started):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(file.read_text()), signal.SIGKILL)

    def _run(self, *command: str, pid: str) -> None:
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=60)
        file = self.base / pid
        self.until(file.is_file)
        self._started.append(file)


_FILES = {
    "key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid",
    "log-file": "munged.log", "seed-file": "munge.seed",
}  # fmt: skip


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
