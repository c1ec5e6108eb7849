"""A disk that is full at the first write of every kind of file of an audit."""

from __future__ import annotations

import re
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from xai_audit.errors import OutputError
from xai_audit.work.runner import Driver

# Numbers of parts, photos and columns, and the hash behind a name.
_NUMBER = re.compile(r"(?<![a-z0-9])([0-9a-f]{10}|\d+(-\d+)?)(?![a-z0-9])")


def kind_of(file: Path, root: Path) -> str:
    """What ``file`` of the run at ``root`` is: ``attributions/part-*.parquet``."""
    parts = [*file.relative_to(root).parts]
    if parts[:2] == ["report", "gallery"]:
        parts[2] = "*"  # a class
    return re.sub(r"\*(-\*)+", "*", _NUMBER.sub("*", "/".join(parts)))


class FullDisk:
    """A disk that is full from the first write of each kind on, until the error has come out.

    The system itself refuses each byte, whatever library writes it: this process may then write
    files of no size (RLIMIT_FSIZE), for which it says EFBIG where a full disk says ENOSPC. A stage
    that failed is then planned, cleaned, worked on and merged again, as the same command would.

    Args:
        root: of the run.

    Attributes:
        lines: kind -> the error's line, empty where none came, in the order of their first write.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._free = root, resource.getrlimit(resource.RLIMIT_FSIZE)
        self.lines: dict[str, str] = {}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """A block in which audits into the folder meet it."""
        make, run = tempfile.mkstemp, Driver.run

        def made(*, prefix: str, suffix: str, dir: Path) -> tuple[int, str]:  # noqa: A002 - its own
            found = make(prefix=prefix, suffix=suffix, dir=dir)
            name = prefix[1:].rsplit(".", 3)[0]  # then host, process
            if (kind := kind_of(Path(dir, name), self._root)) not in self.lines:
                self.lines[kind] = ""
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._free[1]))
            return found

        def again(driver: Driver, stage: Any) -> None:
            try:
                run(driver, stage)
            except OutputError as exc:
                self.freed(str(exc))
                again(driver, stage)

        with mock.patch("tempfile.mkstemp", made), mock.patch.object(Driver, "run", again):
            yield

    def freed(self, line: str) -> None:
        """There is place again, after ``line``: of what failed nothing half is left."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._free)
        assert not [*self._root.rglob("*.tmp")], line
        *_, last = self.lines
        self.lines[last] = line
