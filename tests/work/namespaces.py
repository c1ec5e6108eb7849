"""Two machines on one: network namespaces with a cable between them, and a node of Ray in each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_ADDRESSES = ("10.231.77.1", "10.231.77.2")
_PORT = 6379
# Ray itself reads these; a token of its own keeps ~/.ray as it is.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
    "RAY_USAGE_STATS_ENABLED": "0",
}  # fmt: skip


class TwoNodes:
    """A head and a second node of one core each, in namespaces of their own, from entry to exit.

    Attributes:
        address: of the cluster, as seen from the first.
    """

    address = f"{_ADDRESSES[0]}:{_PORT}"

    def __init__(self) -> None:
        self._names = [f"xai{os.getpid()}{end}" for end in "ab"]
        self._folder: Path | None = None

    def __enter__(self) -> TwoNodes:
        if shutil.which("ip") is None:
            pytest.skip("no network namespaces: no program ip")
        try:
            self._connect()
            # Paths of sockets are short.
            self._folder = Path(tempfile.mkdtemp(prefix="xr", dir="/tmp"))
            self._start(0, "--head", f"--port={_PORT}", f"--temp-dir={self._folder}")
            self._start(1, f"--address={self.address}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for place, name in enumerate(self._names):
            self.kill(place)
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def inside(self, place: int, *command: str) -> list[str]:
        """``command`` on the node ``place``."""
        return ["ip", "netns", "exec", self._names[place], *command]

    def kill(self, place: int) -> None:
        """End every process of the node ``place``, as a failure of its power does."""
        for pid in self.pids(place):
            os.kill(pid, signal.SIGKILL)

    def pids(self, place: int) -> list[int]:
        """The processes of the node ``place``."""
        command = ["ip", "netns", "pids", self._names[place]]
        listed = subprocess.run(command, check=False, capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def _connect(self) -> None:
        one, two = self._names
        commands = [f"netns add {one}", f"netns add {two}"]
        commands += [f"link add {one} netns {one} type veth peer name {two} netns {two}"]
        for name, address in zip(self._names, _ADDRESSES, strict=True):
            commands += [f"-n {name} addr add {address}/24 dev {name}"]
            commands += [f"-n {name} link set {each} up" for each in ("lo", name)]
        for command in commands:
            try:
                subprocess.run(["ip", *command.split()], check=True, capture_output=True, text=True)
            except (OSError, subprocess.CalledProcessError) as exc:
                why = getattr(exc, "stderr", None) or exc
                pytest.skip(f"no network namespaces: ip {command}: {str(why).strip()}")

    def _start(self, place: int, *options: str) -> None:
        ray = str(Path(sys.executable).parent / "ray")
        command = [ray, "start", f"--node-ip-address={_ADDRESSES[place]}", "--num-cpus=1"]
        command += ["--object-store-memory=80000000", *options]
        command += ["--include-dashboard=false"] * (place == 0)
        subprocess.run(
            self.inside(place, *command), check=True, env=os.environ | ENVIRONMENT, timeout=120,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
