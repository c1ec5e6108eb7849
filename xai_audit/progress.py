"""Progress for people: a bar on a terminal, a quiet log line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

# Between log lines; a night's run must not fill a log file.
_QUIET_SECONDS = 15.0


@contextmanager
def progress(
    stage: str, *, total: int | None, done: int = 0, bar: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of images just finished.

    Args:
        stage: what is shown.
        total: images in all, None where unknown.
        done: images finished by an earlier run.
        bar: whether to draw; None decides by the terminal.
    """
    if sys.stderr.isatty() if bar is None else bar:
        with (
            logging_redirect_tqdm([logging.getLogger("xai_audit")]),
            tqdm(
                total=total, initial=done, desc=stage, unit=" images", dynamic_ncols=True
            ) as shown,
        ):
            yield lambda count: _ignore(shown.update(count))
        return
    quiet = _QuietLog(stage, total, done)
    yield quiet.add
    quiet.close()


def _ignore(_value: object) -> None:
    return None


class _QuietLog:
    """Counts, and says so every few seconds and at the end."""

    def __init__(self, stage: str, total: int | None, done: int) -> None:
        self._stage, self._total, self._done = stage, total, done
        self._before, self._start = done, time.monotonic()
        self._told, self._told_at = self._start, done

    def add(self, count: int) -> None:
        """Note ``count`` more images."""
        self._done += count
        now = time.monotonic()
        if now - self._told >= _QUIET_SECONDS:
            self._told = now
            self._tell(now)

    def close(self) -> None:
        """Say how it ended, if anything was done."""
        if self._done > self._told_at:
            self._tell(time.monotonic())

    def _tell(self, now: float) -> None:
        self._told_at = self._done
        rate = (self._done - self._before) / max(now - self._start, 1e-9)
        if self._total is None:
            log.info("%s: %d images, %.1f images/s", self._stage, self._done, rate)
            return
        left = (self._total - self._done) / max(rate, 1e-9)
        log.info(
            "%s: %d of %d images, %.1f images/s, %d:%02d left",
            self._stage, self._done, self._total, rate, left // 60, left % 60,
        )  # fmt: skip
