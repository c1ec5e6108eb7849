"""How far a run is, for anyone who can read its folder, also while nobody works on it.

What is done is read from ``run.json`` and from the parts on disk, how fast they come and who makes
them from ``attempts/``. Nothing is written but ``status.json``, and that only by the driver.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from xai_audit.errors import AuditError, OutputError
from xai_audit.run.files import HOST, read_json, write_json
from xai_audit.run.leftovers import is_running
from xai_audit.store.address import spelled
from xai_audit.work.attempts import read_attempts
from xai_audit.work.parts import missing, part_file
from xai_audit.work.stage import Part

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from xai_audit.run.paths import RunPaths
    from xai_audit.work.attempts import Attempt
    from xai_audit.work.stage import Stage

DONE, WORKING, IDLE, MERGE, TO_COME, NOT_REQUESTED = (
    "done", "working", "idle", "to be merged", "to come", "not requested",
)  # fmt: skip

_MINUTES = 5 * 60.0  # seconds that count as now, where parts do not take longer
_PARTS = 3  # parts: a worker that is silent for longer than these took is gone
_SECONDS, _SHARE = 5.0, 50  # between two writes: at least, and in units of what one costs


class Status:
    """The state of one output folder; parts that were seen done are not looked at again.

    Args:
        paths: of the run.
        stages: all of them, in their order.
    """

    def __init__(self, paths: RunPaths, stages: Sequence[Stage]) -> None:
        self._paths, self._stages = paths, stages
        self._seen: tuple[str, set[int]] = ("", set())

    def read(self) -> dict[str, Any]:
        """Stages, failures and workers, as JSON values.

        Raises:
            OutputError: the folder holds no audit.
        """
        record, plan = read_json(self._paths.run_json), read_json(self._paths.plan_json)
        if not isinstance(record, dict) or "fingerprints" not in record:
            raise OutputError(
                "no audit here",
                where=self._paths.root,
                expected="an output folder with run.json",
                remedy="name the output_dir of an audit",
            )
        noted = plan["stages"] if isinstance(plan, dict) else {}
        planned = {name: [Part(**part) for part in parts] for name, parts in noted.items()}
        marks = {(name, p.number, p.fingerprint) for name, parts in planned.items() for p in parts}
        lines = read_attempts(self._paths)
        mine = [a for a in lines if (a.stage, a.part, a.fingerprint) in marks]
        now, current = time.time(), record["fingerprints"]
        undone = {
            stage.name: self._undone(stage, planned[stage.name])
            for stage in self._stages
            if stage.name in planned and stage.name not in current
        }
        workers = [each for each in _by_worker(lines).values() if _is_here(each[-1], now)]
        working = {each[-1].stage for each in workers}
        requested = record.get("config", {}).get("stages") or []
        return {
            "folder": spelled(self._paths.root),
            "at": round(now, 3),
            "finished": self._paths.success.is_file(),
            "stages": [
                _row(
                    stage,
                    planned.get(stage.name),
                    undone.get(stage.name),
                    [a for a in mine if a.stage == stage.name],
                    _state(stage, current, undone, requested, working),
                    now,
                )
                for stage in self._stages
            ],
            "failures": _failures(mine, undone),
            "workers": [_worker(each, now) for each in workers],
        }

    def _undone(self, stage: Stage, parts: Sequence[Part]) -> set[int]:
        """Numbers of the parts that are not there; a listing spares looking for each."""
        name, seen = self._seen
        if name != stage.name:
            seen = set()
        folder = self._paths.root / stage.folder
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        new = [
            part
            for part in parts
            if part.number not in seen and part_file(self._paths, stage, part.number).name in there
        ]
        left = {part.number for part in missing(self._paths, stage, new)}
        seen |= {part.number for part in new} - left
        self._seen = (stage.name, seen)
        return {part.number for part in parts} - seen


class StatusFile:
    """``status.json``, written now and then by the driver; a write that fails is left out.

    Args:
        paths: of the run.
        stages: all of them, in their order.
    """

    def __init__(self, paths: RunPaths, stages: Sequence[Stage]) -> None:
        self._path, self._status, self._next = paths.status_json, Status(paths, stages), 0.0

    def tick(self) -> None:
        """Write it if it is time to."""
        if time.monotonic() >= self._next:
            self.write()

    @contextmanager
    def at_end(self) -> Iterator[None]:
        """A block after which it is written, however the block ends."""
        try:
            yield
        finally:
            self.write()

    def write(self) -> None:
        """Write it now."""
        start = time.monotonic()
        with suppress(OSError, AuditError):
            write_json(self._path, self._status.read())
        cost = time.monotonic() - start
        self._next = start + max(_SECONDS, _SHARE * cost)


def _state(
    stage: Stage,
    current: Mapping[str, Any],
    undone: Mapping[str, set[int]],
    requested: Sequence[str],
    working: Collection[str],
) -> str:
    if stage.name in current:
        return DONE
    if stage.name not in undone:
        return TO_COME if stage.group in requested else NOT_REQUESTED
    if not undone[stage.name]:
        return MERGE
    return WORKING if stage.name in working else IDLE


def _row(
    stage: Stage,
    parts: Sequence[Part] | None,
    undone: set[int] | None,
    attempts: Sequence[Attempt],
    state: str,
    now: float,
) -> dict[str, Any]:
    """What is said of one stage; sizes are photos, or what its parts count."""
    row: dict[str, Any] = {"stage": stage.name, "group": stage.group, "state": state}
    if parts is None:
        return row | {"parts": None, "parts_done": None}
    sizes = {part.number: part.size for part in parts}
    left = undone or set()
    row |= {"parts": len(parts), "parts_done": len(parts) - len(left)}
    if any(sizes.values()):
        total = sum(sizes.values())
        row |= {"size": total, "size_done": total - sum(sizes[number] for number in left)}
    else:
        sizes = dict.fromkeys(sizes, 1)
    if state != WORKING:
        return row
    rate = _rate([a for a in attempts if a.is_made], sizes, now)
    seconds = sum(sizes[number] for number in left) / rate if rate else None
    return row | {"rate": rate, "seconds_left": seconds}


def _rate(made: Sequence[Attempt], sizes: Mapping[int, int], now: float) -> float | None:
    """What all workers that are here make a second, each by its last minutes; None: not known."""
    total = 0.0
    for mine in _by_worker(made).values():
        if _is_here(mine[-1], now):
            lately = [one for one in mine if one.end > now - _MINUTES] or mine[-1:]
            seconds = sum(one.seconds or 0.0 for one in lately)  # right too where a clock was set
            total += sum(sizes[one.part] for one in lately) / max(seconds, 1e-3)
    return total or None


def _by_worker(attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    for one in attempts:
        found.setdefault(one.worker, []).append(one)
    return found


def _is_here(last: Attempt, now: float) -> bool:
    """Whether the worker whose last line this is may still be at work."""
    if last.error is not None:
        return False
    if last.by.get("host") == HOST:
        if not is_running(int(last.by["pid"])):
            return False
        if last.in_hand is not None:
            return True
    return now - last.end < max(_MINUTES, _PARTS * (last.seconds or 0.0))


def _failures(attempts: Sequence[Attempt], undone: Mapping[str, set[int]]) -> list[dict[str, Any]]:
    """A row a planned part that failed: how often, the last error, whether it was made since."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for line in attempts:
        if line.error is not None:
            before = found.get((line.stage, line.part), {"attempts": 0})
            found[line.stage, line.part] = {
                "stage": line.stage,
                "part": line.part,
                "attempts": before["attempts"] + 1,
                "error": line.error,
                "at": round(line.end, 3),
                "by": dict(line.by),
                "made_since": line.part not in undone.get(line.stage, set()),
            }
    return list(found.values())


def _worker(lines: Sequence[Attempt], now: float) -> dict[str, Any]:
    last, lately = lines[-1], now - _MINUTES
    return dict(last.by) | {
        "stage": last.stage,
        "part": last.in_hand,
        "made": sum(one.is_made and one.end > lately for one in lines),
        "seen_seconds_ago": round(now - last.end, 3),
    }
