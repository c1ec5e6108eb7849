"""The engine of one machine: parts are made in this process, in several, or left to others."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from xai_audit.engines._deaths import DEATHS, STARTS, Deaths
from xai_audit.engines._worker import Worker
from xai_audit.errors import ConfigError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.engines._driver import Driver

_SECONDS = 0.2  # between two looks at what workers said
_REQUESTS = 4  # of each worker and stage, at least: few enough to open things once
_SHARES = "the same command with shard=i/n in each of n processes, then this one again"


class LocalEngine:
    """Makes parts in the driver's own process, or in processes of this machine.

    Each of several processes sees one GPU or its share of the cores, and opens the model once. One
    that dies is started anew and its parts are made again; a part on which two have died is set
    aside while all others are finished.

    Args:
        driver: of the run.
        workers: processes; 1 is this one, 0 leaves parts to others (``shard=i/n``), ``auto`` is
            one a GPU.

    Raises:
        ConfigError: another number of workers.
    """

    def __init__(
        self,
        *,
        driver: Driver,
        workers: int | str,
    ) -> None:
        self._devices = _gpus()
        found = max(1, len(self._devices)) if workers == "auto" else workers
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            expected = "auto or a number >= 0"
            raise ConfigError("bad value", where="engine.workers", expected=expected, got=workers)
        self._driver, self._count = driver, found
        self.elsewhere = "" if found else _SHARES
        self._said: SimpleQueue[tuple[Worker, dict[str, Any] | None]] = SimpleQueue()
        self._workers: dict[int, Worker] = {}

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:
        """See that the parts ``numbers`` of ``stage`` are made.

        Raises:
            PoisonError: parts that end every process that makes them; the others are there.
            WorkerError: a process says what is wrong, or none starts.
        """
        if self._count == 1 or (self._count and len(numbers) == 1 and not self._workers):
            self._driver.make(stage, numbers)
        elif self._count:
            self._deal(folder, stage, numbers)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    def _deal(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:
        """Hand out the parts until all are made or set aside."""
        waiting = deque(pieces(numbers, self._count))
        deaths = Deaths(stage, most=DEATHS)
        unready = 0
        while waiting or any(worker.parts for worker in self._workers.values()):
            for place in range(min(self._count, len(waiting) + len(self._workers))):
                worker = self._workers.get(place) or self._started(place, folder)
                if waiting and not worker.parts:
                    worker.ask(stage, waiting.popleft())
            self._driver.pause(_SECONDS)
            for worker, message in self._heard():
                if message is None:
                    worker.end()
                    unready = 0 if worker.is_ready else unready + 1
                    if unready >= STARTS:
                        raise WorkerError("no worker process starts", got=worker.last_words)
                    del self._workers[worker.number]
                    if worker.parts and worker.is_ready:
                        self._driver.lost(worker.parts[0], worker.last_words, worker.pid)
                    waiting.extendleft(_again(worker, deaths))
                elif "error" in message:
                    raise WorkerError.of(message["error"], int(message["code"]))
                elif "made" in message:
                    worker.parts.remove(message["made"])
                else:
                    worker.is_ready = True
        deaths.check()

    def _heard(self) -> list[tuple[Worker, dict[str, Any] | None]]:
        """What workers have said since the last look."""
        found = []
        while True:
            try:
                found.append(self._said.get_nowait())
            except Empty:
                return [one for one in found if self._workers.get(one[0].number) is one[0]]

    def _started(self, place: int, folder: Path) -> Worker:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        devices = self._devices
        self._workers[place] = Worker(
            place,
            folder,
            cores=cores[place :: self._count] if len(cores) >= self._count else [],
            device=devices[place % len(devices)] if devices else None,
            said=self._said,
        )
        return self._workers[place]


def _again(worker: Worker, deaths: Deaths) -> list[list[int]]:
    """What a dead worker leaves to be made, in requests; the part in its hands by itself."""
    if not worker.parts:
        return []
    in_hand, *rest = worker.parts
    if worker.is_ready and not deaths.is_worth_another(in_hand, worker.last_words):
        return [rest] if rest else []
    return [[in_hand], *([rest] if rest else [])]


def pieces(numbers: Sequence[int], workers: int) -> list[list[int]]:
    """``numbers`` in pieces of their order, the last ones small.

    The last parts may take a thousand times as long as the first, so that what is left is cut for
    all workers to have some of it.
    """
    most, found, start = -(-len(numbers) // (workers * _REQUESTS)), [], 0
    while left := len(numbers) - start:
        size = max(1, min(most, left // (2 * workers)))
        found.append([*numbers[start : start + size]])
        start += size
    return found


def _gpus() -> list[str]:
    """The GPUs that this process sees, as CUDA_VISIBLE_DEVICES spells them; loads no torch."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [each for each in given.split(",") if each]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(n) for n, _ in enumerate(folder.iterdir())] if folder.is_dir() else []
