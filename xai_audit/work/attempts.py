"""``attempts/``: who made which part when, and what failed; one file a process, a line an attempt.

Nothing decides by these files: what is done is what lies on disk (:mod:`xai_audit.work.parts`).
They tell how fast the parts come and why one does not, whoever makes them, so a line that cannot
be written is left out. Each process appends to a file of its own, so that no lock is needed, and
each line is complete or skipped when it is read.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xai_audit.errors import OutputError, StoppedError
from xai_audit.run.files import HOST
from xai_audit.store.address import home_of
from xai_audit.store.home import publish
from xai_audit.work.parts import read_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xai_audit.run.paths import RunPaths
    from xai_audit.work.stage import Part

# What schedulers call a process: Slurm, Ray, and Kubernetes' indexed jobs and pods.
_NAMES = (
    "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_PROCID",
    "RAY_JOB_ID", "RAY_NODE_ID", "JOB_COMPLETION_INDEX", "POD_NAME",
)  # fmt: skip
_LONGEST = 500  # letters of an error that are kept
_BETWEEN = 10.0  # seconds between two copies of this process's file in a store
_sent: dict[Path, float] = {}  # file -> when it may be put there next


@dataclass(frozen=True)
class Attempt:
    """One line.

    Attributes:
        stage: name.
        part: its number.
        fingerprint: of the part, which tells an attempt of this plan from one of an earlier plan.
        size: of the part, as the plan counts it.
        start: when it began, seconds since 1970.
        seconds: how long it took; None in a process's first line, which says what it begins with.
        by: the process: host, pid, and what its scheduler calls it.
        error: why it failed, None where it was made.
        following: number of the part that the process makes next.
        forwards: copies of its photos that went through the model, where a method reported them.
    """

    stage: str
    part: int
    fingerprint: str
    size: int
    start: float
    seconds: float | None
    by: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    following: int | None = None
    forwards: int = 0

    @property
    def end(self) -> float:
        """When the line was written, seconds since 1970."""
        return self.start + (self.seconds or 0.0)

    @property
    def is_made(self) -> bool:
        """Whether the part was committed."""
        return self.seconds is not None and self.error is None

    @property
    def in_hand(self) -> int | None:
        """The part that the process makes after this line, None where it has no more."""
        return self.part if self.seconds is None else self.following

    @property
    def worker(self) -> str:
        """The process in one word."""
        return f"{self.by.get('host')}-{self.by.get('pid')}"


def this_process() -> dict[str, Any]:
    """Host and pid of this process, and what its scheduler calls it."""
    named = {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
    return {"host": HOST, "pid": os.getpid(), **named}


def note(paths: RunPaths, attempt: Attempt) -> None:
    """Append a line to this process's file; by this process where ``attempt`` names no other.

    Where it cannot be written, it is not: no part is lost for it.
    """
    line = json.dumps(asdict(attempt) | {"by": dict(attempt.by) or this_process()})
    file = paths.attempts / f"{HOST}-{os.getpid()}.jsonl"
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        with file.open("ab", buffering=0) as opened:
            opened.write(f"{line}\n".encode())
    if home_of(file) is not None:
        _send(file)


def _send(file: Path, *, at_end: bool = False) -> None:
    """Put ``file`` where it is at home, now and then and when the process ends."""
    if file not in _sent:
        atexit.register(_send, file, at_end=True)
    if at_end or time.monotonic() > _sent.get(file, 0.0):
        _sent[file] = time.monotonic() + _BETWEEN
        with suppress(OutputError):
            publish(file, file)


@contextmanager
def noting(paths: RunPaths, stage: str, parts: Sequence[Part]) -> Iterator[Callable[[int], None]]:
    """A function to call once the next of ``parts``, made in this order, is committed.

    It takes the number of forwards that methods have reported so far.

    An error that ends the block is noted with the first part that is not made. A stage that makes
    several parts at once has spent their time on the first of them.
    """
    begun, ticks, waiting, before = time.time(), time.monotonic(), deque(parts), 0

    def noted(error: str | None, forwards: int) -> None:
        nonlocal begun, ticks, before
        # How long it took by a clock that nobody sets: a budget is planned by it.
        now, part = time.monotonic(), waiting.popleft()
        line = _attempt(stage, part, begun, seconds=now - ticks, error=error)
        following = waiting[0].number if waiting and error is None else None
        note(paths, replace(line, following=following, forwards=forwards - before))
        begun, ticks, before = time.time(), now, forwards

    if waiting:
        note(paths, _attempt(stage, waiting[0], begun))
    try:
        yield lambda forwards: noted(None, forwards)
    except StoppedError:
        raise  # the user's wish
    except Exception as exc:
        if waiting:
            noted(" ".join(f"{type(exc).__name__}: {exc}".split()), before)
        raise


def note_death(paths: RunPaths, stage: str, number: int, ended: str, pid: int | None) -> None:
    """Note that a worker died on part ``number``, which it cannot say itself.

    Args:
        paths: of the run.
        stage: name.
        number: of the part.
        ended: how the worker did.
        pid: of the worker on this machine; None: it was elsewhere, which ``ended`` tells.
    """
    (part,) = (part for part in read_parts(paths, stage) if part.number == number)
    line = _attempt(stage, part, time.time(), seconds=0.0, error=ended)
    note(paths, replace(line, by={} if pid is None else {"host": HOST, "pid": pid}))


def _attempt(
    stage: str, part: Part, start: float, *, seconds: float | None = None, error: str | None = None
) -> Attempt:
    return Attempt(
        stage,
        part.number,
        part.fingerprint,
        part.size,
        round(start, 3),
        None if seconds is None else round(seconds, 3),
        error=None if error is None else error[:_LONGEST],
    )


def read_attempts(paths: RunPaths) -> list[Attempt]:
    """Every line of every process, in the order of their ends; of one process as written.

    That is another order where its clock was set back meanwhile.
    """
    found: list[tuple[float, Attempt]] = []
    latest: dict[str, float] = {}
    for file in sorted(paths.attempts.glob("*.jsonl")):
        with suppress(OSError):
            for line in file.read_bytes().splitlines():
                with suppress(ValueError, TypeError):  # half written, or another version's
                    one = Attempt(**json.loads(line))
                    latest[one.worker] = max(latest.get(one.worker, 0.0), one.end)
                    found.append((latest[one.worker], one))
    return [one for _, one in sorted(found, key=lambda each: each[0])]
