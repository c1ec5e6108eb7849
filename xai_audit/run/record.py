"""A run's own record: who owns the output folder, what it holds, how it went (``run.json``)."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import platform
import resource
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from xai_audit import __version__
from xai_audit.errors import OutputError
from xai_audit.run.files import read_json, write_json, write_text
from xai_audit.run.paths import RunPaths
from xai_audit.schema import SCHEMA_VERSION
from xai_audit.store.home import names, withdraw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

_PACKAGES = ("torch", "torchvision", "captum", "numpy", "pandas", "pyarrow", "pillow", "timm")


def fingerprint(*parts: object) -> str:
    """A hash of ``parts``, equal for equal JSON."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class RunRecord:
    """The record of one output folder, written to ``run.json`` after every stage.

    Args:
        paths: of the run.
        config: the resolved configuration.
        identity: what makes it this audit and no other: dataset, model, methods.
        reads: stage -> the stages whose tables it reads, in the order in which they run.
        groups: stage -> the word of ``stages=[...]`` that it runs under.
    """

    def __init__(
        self,
        paths: RunPaths,
        config: Mapping[str, Any],
        identity: Mapping[str, Any],
        reads: Mapping[str, Collection[str]],
        groups: Mapping[str, str],
    ) -> None:
        self.paths, self._reads, self._groups = paths, reads, groups
        # What earlier commands found out stays; ``config`` is always the last command's.
        before = read_json(paths.run_json)
        self.content: dict[str, Any] = before if isinstance(before, dict) else {}
        if self.content.get("schema_version") != SCHEMA_VERSION:
            self.content.pop("fingerprints", None)  # tables of another version are made anew
        self.content |= {
            "schema_version": SCHEMA_VERSION,
            "config": dict(config),
            "seed": config.get("seed"),
            "versions": _versions(),
        }
        self.content.setdefault("warnings", [])  # of the attribute stage, which may be current
        for key in ("fingerprints", "timings"):
            self.content.setdefault(key, {})
        self._identity = dict(identity)

    def check_owner(self) -> None:
        """Raise OutputError where the folder holds another audit or files that are not ours."""
        root, mine = self.paths.root, self._identity
        noted = read_json(self.paths.run_json)
        if not isinstance(noted, dict):
            ours = (self.paths.lock.name,)
            if others := names(root).difference(ours):
                raise OutputError(
                    "the output folder is not empty and holds no audit",
                    where=root,
                    got=", ".join(sorted(others)[:3]),
                    remedy="output_dir=ANOTHER_FOLDER",
                )
            self.content["identity"] = mine
            return
        theirs = noted.get("identity", {})
        if self._adds_methods(theirs):
            theirs = self.content["identity"] = theirs | {"methods": mine["methods"]}
        for key in sorted({*mine, *theirs}):
            if mine.get(key) != theirs.get(key):
                named = key == "model.checkpoint" and not self.content["config"].get("output_dir")
                name = "model.name=ANOTHER_NAME or " if named else ""
                raise OutputError(
                    "the output folder holds another audit",
                    where=root,
                    expected=f"{key}={mine.get(key)}",
                    got=f"{key}={theirs.get(key)}",
                    remedy=f"{name}output_dir=ANOTHER_FOLDER",
                )

    def _adds_methods(self, theirs: Mapping[str, Any]) -> bool:
        """Whether this command explains photos by the methods in the folder and by others."""
        before, now = theirs.get("methods") or (), self._identity.get("methods") or ()
        return "attribute" in (self.content["config"].get("stages") or ()) and {*before} < {*now}

    def is_current(self, stage: str, stage_fingerprint: str) -> bool:
        """Whether ``stage`` finished with this fingerprint."""
        return bool(self.content["fingerprints"].get(stage) == stage_fingerprint)

    def current(self, stage: str) -> str | None:
        """The fingerprint with which ``stage`` last finished, None where it has to run."""
        found = self.content["fingerprints"].get(stage)
        return None if found is None else str(found)

    def undone_by(self, stage: str) -> set[str]:
        """``stage`` and what reads it, directly or not: all that a change of its files undoes."""
        undone = {stage}
        for later, reads in self._reads.items():  # each stands after those that it reads
            if undone & {later, *reads}:
                undone.add(later)
        return undone

    def begin(self, stage: str) -> None:
        """Note that ``stage`` is about to change its files: it and what reads them are undone."""
        withdraw(self.paths.success)
        undone = self.undone_by(stage)
        for later in undone:
            self.content["fingerprints"].pop(later, None)
            if (group := self._groups[later]) not in self._groups:  # else it is a stage's own mark
                self.content["fingerprints"].pop(group, None)
            if later != stage:  # its own go on where a killed run left off
                self.content["timings"].pop(f"{later}_seconds", None)
                self.content["timings"].pop(f"{later}_cpu_seconds", None)
        self.write()

    def finished(self, stage: str, stage_fingerprint: str, found: Mapping[str, Any]) -> None:
        """Note that ``stage`` is whole and what its merge ``found``, and write the record."""
        self.content |= found
        self.content["fingerprints"][stage] = stage_fingerprint
        self.content.setdefault("finished", {})[stage] = _now()
        self._add_up(self._groups[stage])
        self.write()

    def note_rate(self, stage: str, images: int, seconds: float) -> None:
        """Note how many images a second the main pass explained."""
        if stage == "attribute":
            self.content["images_per_second"] = images / seconds

    def _add_up(self, group: str) -> None:
        """Note of ``group`` the time of its stages, and that it is whole once all of them are."""
        stages = [stage for stage, of in self._groups.items() if of == group]
        timings, marks = self.content["timings"], self.content["fingerprints"]
        if group not in self._groups:  # else a stage of its name has that time and mark
            for what in ("seconds", "cpu_seconds"):
                spent = [timings.get(f"{stage}_{what}", 0.0) for stage in stages]
                timings[f"{group}_{what}"] = round(sum(spent), 3)
            if all(stage in marks for stage in stages):
                marks[group] = fingerprint([marks[stage] for stage in stages])

    def write(self) -> None:
        """Put the record on disk, atomically."""
        write_json(self.paths.run_json, self.content)

    @contextmanager
    def timed(self, stage: str, *, resumed: bool) -> Iterator[None]:
        """Add the block's wall and CPU seconds to those of ``stage``, or start anew."""
        wall, cpu = time.perf_counter(), _cpu_seconds()
        try:
            yield
        finally:
            timings = self.content["timings"]
            for name, spent in (
                (f"{stage}_seconds", time.perf_counter() - wall),
                (f"{stage}_cpu_seconds", _cpu_seconds() - cpu),
            ):
                timings[name] = round((timings.get(name, 0.0) if resumed else 0.0) + spent, 3)

    def succeed(self) -> None:
        """Write ``SUCCESS``, the last file of a run."""
        write_text(self.paths.success, f"{__version__}\n")


def _now() -> str:
    """Date and time in UTC, to the second (ISO 8601)."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cpu_seconds() -> float:
    """User and system seconds of this process and the children it has waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def _versions() -> dict[str, str]:
    found = {"xai_audit": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def owned(paths: RunPaths) -> Iterator[None]:
    """The output folder, made and locked against a second writer.

    Raises:
        OutputError: it cannot be written, or another process is writing there.
    """
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as exc:
        raise OutputError(
            "cannot write the output folder",
            where=paths.root,
            got=exc.strerror or exc,
            remedy="output_dir=A_FOLDER_THAT_YOU_CAN_WRITE",
        ) from exc
    try:
        _lock(handle, paths.root)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, root: Path) -> None:
    """Lock the open file ``handle``, or warn where its file system has no locks."""
    try:
        # Not flock: worker processes would inherit it and outlive a killed run by seconds.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EACCES, errno.EAGAIN):
            raise OutputError(
                "another process is writing this output folder",
                where=root,
                remedy="wait for it, or output_dir=ANOTHER_FOLDER",
            ) from exc
        log.warning("%s cannot be locked (%s): start no second audit there", root, exc.strerror)
