"""The engine of Ray: parts are made by actors on this machine or on the nodes of a cluster.

Ray Core alone: a folder, a stage and numbers go into an actor, nothing comes out. Photos and tables
are read and written by the actors themselves, on storage that all nodes see.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.engines._deaths import STARTS, Deaths
from xai_audit.engines._ray_cluster import Cluster, package, search_path
from xai_audit.engines._ray_room import Needs
from xai_audit.engines._ray_worker import Worker
from xai_audit.errors import AuditError, ConfigError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.engines._driver import Driver

log = logging.getLogger(__name__)

_SECONDS = 0.2  # at most, between two looks at whether the run is to stop
_PATIENCE = 30.0  # seconds without a worker, after which what is missing is logged
_LEAST_CPUS = 0.01  # of which Ray still counts
_LONGEST = 200  # letters of how a worker ended
_FRAME = re.compile(r'File "(.+?)", line (\d+), in (\S+)')  # of a traceback, innermost last
_FRAMES = 3  # that are shown


class RayEngine:
    """Makes parts in actors, each with cores and GPUs of its own, which open the model once.

    A part whose actor or node is lost is made by another; one that loses too many is set aside
    while all others are finished.

    Args:
        driver: of the run.
        workers: actors; ``auto`` is as many as the cluster has room for.
        num_cpus: cores of each; ``auto`` is its GPU's share of a node, without GPUs at most 4.
        num_gpus: GPUs of each; ``auto`` is 1 where the cluster has any.
        retries: how often a part is made again whose actor was lost.
        address: of a Ray to join; None is a Ray of this machine, for this run.
        runtime_env: Ray's own description of what workers need.

    Raises:
        ConfigError: Ray is not installed, or a value that cannot work.
    """

    def __init__(  # noqa: PLR0913 - an engine's own keys
        self,
        *,
        driver: Driver,
        workers: int | str,
        num_cpus: float | str,
        num_gpus: float | str,
        retries: int,
        address: str | None,
        runtime_env: dict[str, Any],
    ) -> None:
        self._count = _number("workers", workers, least=1)
        self._cpus = _number("num_cpus", num_cpus, least=_LEAST_CPUS)
        self._gpus = _number("num_gpus", num_gpus, least=0.0)
        self._most = 1 + int(_number("retries", retries, least=0, auto=False))
        if not isinstance(runtime_env, dict):
            where, expected = "engine.runtime_env", "keys of Ray's runtime environments"
            raise ConfigError("bad value", where=where, expected=expected, got=runtime_env)
        package(address)  # an error before the model loads
        self._driver, self._address, self._runtime_env = driver, address, runtime_env
        self._cluster: Cluster | None = None
        self._workers: list[Worker] = []
        self._unready = 0

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:
        """See that the parts ``numbers`` of ``stage`` are made.

        Raises:
            ConfigError: there is no such cluster, or a Ray of this machine has no room.
            PoisonError: parts that lose every worker; the others are there.
            WorkerError: a worker says what is wrong, or none starts.
        """
        cluster = self._connected()
        needs = self._needs(cluster)
        self._call_roll()
        waiting, deaths = deque(numbers), Deaths(stage, most=self._most)
        patience = time.monotonic() + _PATIENCE
        while waiting or any(worker.part is not None for worker in self._workers):
            self._hire(cluster, folder, needs, len(waiting))
            for worker in self._workers:
                if waiting and worker.is_idle:
                    worker.make(stage, waiting.popleft())
            self._driver.pause(0.0)
            for worker in self._answering(cluster):
                waiting.extendleft(self._lost(cluster, worker, deaths))
            if time.monotonic() > patience and not any(each.is_open for each in self._workers):
                patience = math.inf
                log.warning("no worker of Ray has started yet: each needs %s", needs)
        deaths.check()

    def close(self) -> None:
        """End the actors, and a Ray that was started for them."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = None

    def _connected(self) -> Cluster:
        if self._cluster is None:
            self._cluster = Cluster(self._address, self._runtime_env)
        return self._cluster

    def _needs(self, cluster: Cluster) -> Needs:
        """What a worker gets."""
        nodes = cluster.nodes()
        needs = Needs.of(nodes, workers=self._count, cpus=self._cpus, gpus=self._gpus)
        if cluster.is_fixed and not needs.room(nodes):
            raise ConfigError(
                "this machine has no room for a worker",
                where="engine.num_cpus, engine.num_gpus",
                expected=" or ".join(f"at most {node.cpus:g}, {node.gpus:g}" for node in nodes),
                got=needs,
            )
        return needs

    def _call_roll(self) -> None:
        """Have idle workers say that they live: one lost without a part costs none then."""
        for worker in self._workers:
            if worker.is_idle:
                worker.open()

    def _hire(self, cluster: Cluster, folder: Path, needs: Needs, waiting: int) -> None:
        """Start the workers that the parts that wait and the cluster's room call for."""
        spare = sum(worker.part is None for worker in self._workers)
        if waiting <= spare:
            return
        count = max(1, needs.room(cluster.nodes())) if self._count is None else self._count
        takes = {
            "num_cpus": needs.cpus,
            "num_gpus": needs.gpus,
            "runtime_env": {"env_vars": self._environment(needs)},
        }
        for _ in range(min(count - len(self._workers), waiting - spare)):
            self._workers.append(Worker(cluster.ray, folder, takes))

    def _environment(self, needs: Needs) -> dict[str, str]:
        """Variables of a worker's process: what it imports from, and no GPU where it has none."""
        given = self._runtime_env.get("env_vars") or {}
        paths = [search_path(), *filter(None, [given.get("PYTHONPATH")])]
        ours = {} if needs.gpus else {"CUDA_VISIBLE_DEVICES": ""}
        return {**ours, **given, "PYTHONPATH": os.pathsep.join(paths)}

    def _answering(self, cluster: Cluster) -> list[Worker]:
        """The workers whose calls are done, after a short wait for the first."""
        calls = {worker.call: worker for worker in self._workers if worker.call is not None}
        if not calls:
            return []
        done, _ = cluster.ray.wait(list(calls), timeout=_SECONDS)
        return [calls[call] for call in done]

    def _lost(self, cluster: Cluster, worker: Worker, deaths: Deaths) -> list[int]:
        """The part that is to be made again, where ``worker`` was lost with it in hand."""
        try:
            refusal = worker.answer()
        except cluster.ray.exceptions.RayError as exc:
            return self._dismissed(worker, _ended(exc), deaths)
        if refusal is not None:
            raise WorkerError.of(*refusal)
        self._unready = 0
        return []

    def _dismissed(self, worker: Worker, ended: str, deaths: Deaths) -> list[int]:
        worker.end()  # after an exception it still runs
        self._workers.remove(worker)
        self._call_roll()
        self._unready += not worker.was_open
        if self._unready >= STARTS and not any(other.was_open for other in self._workers):
            raise WorkerError("no worker of Ray starts", got=ended)
        if worker.part is None:
            return []
        self._driver.lost(worker.part, ended)
        log.warning("a worker of Ray was lost with part %d: %s", worker.part, ended)
        return [worker.part] if deaths.is_worth_another(worker.part, ended) else []


def _number(key: str, value: Any, *, least: float, auto: bool = True) -> Any:  # noqa: ANN401
    """``value`` of the key, None for ``auto``; a whole number where ``least`` is one.

    Raises:
        ConfigError: it is neither that nor a number from ``least``.
    """
    if auto and value == "auto":
        return None
    kind = int if isinstance(least, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not value >= least:
        expected = f"{'auto or ' * auto}a number >= {least:g}"
        raise ConfigError("bad value", where=f"engine.{key}", expected=expected, got=value)
    return value


def _ended(exc: BaseException) -> str:
    """How a worker ended, in one line, of what Ray says of it; an exception with its place."""
    cause = getattr(exc, "cause", None)
    if not isinstance(cause, BaseException):
        line = (str(exc).strip().splitlines() or [type(exc).__name__])[-1]
        detail = line.partition("Worker exit detail: ")[2] or line
        return detail.partition(" Some common causes")[0][:_LONGEST]
    line = " ".join(f"{type(cause).__name__}: {cause}".split())[:_LONGEST]
    return line if isinstance(cause, AuditError) else line + _place(str(exc))


def _place(traceback: str) -> str:
    """Where an exception arose: ``, at scan.py:113 in load, called at ...``."""
    frames = _FRAME.findall(traceback)[-_FRAMES:]
    places = [f"{Path(file).name}:{line} in {name}" for file, line, name in frames[::-1]]
    return "".join(f", {'called ' * (number > 0)}at {one}" for number, one in enumerate(places))
