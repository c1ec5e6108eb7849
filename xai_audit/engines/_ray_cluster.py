"""A Ray to make parts on: one of this machine that ends with the run, or one that is joined."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.engines._ray_room import Node, nodes_of
from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECTS = 80 * 2**20  # bytes of Ray's object store, near its least: only numbers go through it
_SECONDS = 5.0  # that a cluster's address has to answer; Ray itself tries for minutes
_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
# Ray's switch for systems without clusters: everything then listens on the loopback alone.
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


def package(address: str | None) -> Any:  # noqa: ANN401 - a module
    """Ray itself.

    Raises:
        ConfigError: it is not installed.
    """
    with _environment(_local() if address is None else {}):  # read when it is imported
        try:
            import ray
        except ImportError as exc:
            remedy = "pip install 'xai-audit[ray]'"
            raise ConfigError("ray is not installed", where="engine=ray", remedy=remedy) from exc
    return ray


class Cluster:
    """A connection to Ray; :meth:`close` ends it, and the Ray itself where it was started here.

    Args:
        address: of the Ray to join; None starts one, or uses the one that the process is
            connected to.
        runtime_env: Ray's own description of what workers need.

    Raises:
        ConfigError: nothing answers at the address, or Ray does not start.
    """

    def __init__(self, address: str | None, runtime_env: dict[str, Any]) -> None:
        self.ray = package(address)
        self._folder: str | None = None
        self._is_ours = not self.ray.is_initialized()
        if self._is_ours:
            with _own_handler(), _translating(self.ray, address):
                self._connect(address, runtime_env)

    @property
    def is_fixed(self) -> bool:
        """Whether it cannot grow."""
        return self._folder is not None

    def nodes(self) -> list[Node]:
        """What the living nodes offer."""
        return nodes_of(self.ray.nodes())

    def close(self) -> None:
        """Leave it; end it if it was started here."""
        if self._is_ours:
            with _own_handler():
                self.ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self, address: str | None, runtime_env: dict[str, Any]) -> None:
        if address is not None:
            _check_answers(address)
            self.ray.init(address=address, runtime_env=runtime_env or None, **_QUIET)
            return
        self._folder = tempfile.mkdtemp(prefix="xai_audit_")
        try:
            with _environment(_local()):
                self.ray.init(
                    address="local",
                    num_cpus=_cores(),
                    include_dashboard=False,
                    object_store_memory=_OBJECTS,
                    runtime_env=runtime_env or None,
                    _temp_dir=self._folder,
                    **_QUIET,
                )
        except BaseException:
            self.close()
            raise


def search_path() -> str:
    """PYTHONPATH of workers: where this process finds what is not installed, as a checkout."""
    installed = {os.path.realpath(sysconfig.get_path(each)) for each in ("purelib", "platlib")}
    standard = os.path.realpath(sysconfig.get_path("stdlib"))
    found = [os.path.realpath(each) for each in sys.path]
    own = [each for each in found if each not in installed and not each.startswith(standard)]
    return os.pathsep.join(dict.fromkeys(each for each in own if Path(each).is_dir()))


def _check_answers(address: str) -> None:
    """Raise ConfigError where nothing listens at an address of the form HOST:PORT."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/\]]+?)\]?:(\d+)", address)
    if found is None:  # auto, or what only Ray understands
        return
    try:
        socket.create_connection((found[1], int(found[2])), timeout=_SECONDS).close()
    except (OSError, OverflowError) as exc:
        raise ConfigError(
            "no Ray answers",
            where=f"engine.address={address}",
            got=exc,
            remedy="the address that `ray start --head` prints, or auto on a node of the cluster",
        ) from exc


@contextmanager
def _translating(ray: Any, address: str | None) -> Iterator[None]:  # noqa: ANN401 - the package
    """A block in which what Ray raises as it starts is a ConfigError."""
    try:
        yield
    except (ray.exceptions.RayError, RuntimeError, ValueError, OSError, ImportError) as exc:
        what = "Ray does not start" if address is None else "Ray cannot be joined"
        line = next(iter(str(exc).strip().splitlines()), type(exc).__name__)
        where = f"engine.address={'null' if address is None else address}"
        remedy = "TMPDIR=/tmp" if "AF_UNIX" in line else None  # a socket's path has 107 bytes
        raise ConfigError(what, where=where, got=line, remedy=remedy) from exc


@contextmanager
def _own_handler() -> Iterator[None]:
    """A block after which SIGTERM is handled as before: Ray puts a handler of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """A block in which the environment has ``values``; processes started in it keep them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@cache  # Ray reads the token once a process
def _local() -> dict[str, str]:
    """What makes a Ray of this machine this user's alone, and silent.

    The token keeps other users of the machine out, and Ray from writing one of its own to the
    user's home folder.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {_LOOPBACK: "0", "RAY_USAGE_STATS_ENABLED": "0", **token}


def _cores() -> int | None:
    """The cores that this process may use where they are not all; None: Ray counts itself."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    usable = len(os.sched_getaffinity(0))
    return None if usable == os.cpu_count() else usable
