"""How far a stage is: parts that appear on disk, and progress that a signal ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from xai_audit.run.progress import PATIENCE
from xai_audit.work.parts import missing

if TYPE_CHECKING:
    from xai_audit.run.paths import RunPaths
    from xai_audit.run.progress import Progress, StopRequest
    from xai_audit.work.stage import Part, Stage
    from xai_audit.work.status import StatusFile


class Watched:
    """The parts that others make, counted as they appear on disk.

    Args:
        paths: of the run.
        stage: whose parts they are.
        parts: those that are missing.

    Attributes:
        stage: whose parts they are.
        is_used: whether anybody has looked: an engine that works here reports by itself.
    """

    def __init__(self, paths: RunPaths, stage: Stage, parts: list[Part]) -> None:
        self._paths, self.stage, self._parts, self._next = paths, stage, parts, 0.0
        self.is_used = False

    def left(self) -> list[int]:
        """The numbers of those that are missing now."""
        return [part.number for part in missing(self._paths, self.stage, self._parts)]

    def arrived(self, *, last: bool = False) -> int:
        """The size of the parts that came since the last look; looks are a tenth of the time."""
        start, self.is_used = time.monotonic(), True
        if start < self._next and not last:
            return 0
        left = missing(self._paths, self.stage, self._parts)
        before = sum(part.size for part in self._parts)
        self._parts, self._next = left, start + 10 * (time.monotonic() - start)
        return before - sum(part.size for part in left)


class Stopping:
    """Progress that is noted now and then, and ends what is in hand once a signal has waited."""

    def __init__(self, shown: Progress, stop: StopRequest, status: StatusFile) -> None:
        self._shown, self._stop, self._status, self.images = shown, stop, status, 0

    def __call__(self, images: int) -> None:
        """So many more images are done."""
        self._shown(images)
        self.images += images
        self._status.tick()
        self._stop.check(patience=PATIENCE)

    def forwards(self, count: int) -> None:
        """So many forwards more were made."""
        self._shown.forwards(count)
        self._status.tick()
        self._stop.check(patience=PATIENCE)


class Counting:
    """Progress that counts the forward passes that methods report."""

    def __init__(self, shown: Progress) -> None:
        self._shown, self.copies = shown, 0

    def __call__(self, images: int) -> None:
        """So many more images are done."""
        self._shown(images)

    def forwards(self, count: int) -> None:
        """So many forwards more were made."""
        self.copies += count
        self._shown.forwards(count)
