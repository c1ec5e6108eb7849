"""What a running stage shows and hears: progress, requests to stop, the end of its processes."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from xai_audit.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

log = logging.getLogger(__name__)

# Seconds between log lines; a night's run must not fill a log file.
_QUIET_SECONDS = 15.0
# Seconds that a signal waits for the current part to be finished and kept, which may take hours (a
# method that runs a thousand copies of an image); Slurm and Kubernetes kill after 30.
PATIENCE = 15.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Progress(Protocol):
    """Callback that reports finished images."""

    def __call__(self, images: int) -> None:
        """Report ``images`` more as finished."""

    def forwards(self, count: int) -> None:
        """Report ``count`` more forward passes of copies of the images that are being explained.

        Their total is estimated once the first images are finished.
        """


def kill_children() -> None:
    """End the processes that this one has forked, before it ends itself.

    After an error some may be left; they ignore SIGTERM, and Python would wait for them.
    """
    if hasattr(signal, "SIGCHLD"):  # torch's handler would raise
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        child.kill()


@contextmanager
def progress_bar(
    stage: str, *, total: int | None, done: int = 0, bar: bool | None = None
) -> Iterator[Progress]:
    """A function to call with the number of images just finished.

    Args:
        stage: its name, to be shown.
        total: images in all, None where unknown.
        done: images finished by an earlier run.
        bar: whether to draw; None decides by the terminal.
    """
    if (sys.stderr.isatty() or _in_notebook()) if bar is None else bar:
        with (
            logging_redirect_tqdm([logging.getLogger("xai_audit")]),
            _drawn()(
                total=total, initial=done, desc=stage, unit=" images", dynamic_ncols=True
            ) as shown,
        ):
            yield _Bar(shown)
        return
    quiet = _QuietLog(stage, total, done)
    yield quiet
    quiet.close()


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows what is written to stderr."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"


def _drawn() -> Any:  # noqa: ANN401 - tqdm's classes have no common type
    """The bar of a terminal, or in a notebook that of its widgets where they are installed."""
    if not _in_notebook():
        return tqdm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental, that there are no widgets
        from tqdm.auto import tqdm as chosen
    return chosen


class _Bar:
    """A progress bar that also shows the forward passes."""

    def __init__(self, shown: tqdm[Any]) -> None:
        self._shown, self._first, self._forwards = shown, shown.n, 0

    def __call__(self, images: int) -> None:
        self._shown.update(images)

    def forwards(self, count: int) -> None:
        self._forwards += count
        shown = self._shown
        left = None if shown.total is None else shown.total - self._first
        text = _forwards_text(self._forwards, shown.n - self._first, left)
        shown.set_postfix_str(text, refresh=False)
        shown.update(0)  # drawn when it is time to


def _forwards_text(forwards: int, images: int, total: int | None) -> str:
    """Forward passes so far, and the total extrapolated from the finished ``images``."""
    if not images or total is None:
        return f"{forwards:,} forwards"
    return f"{forwards:,} of about {max(round(forwards * total / images), forwards):,} forwards"


class _QuietLog:
    """Counts images and logs the count every few seconds and at the end."""

    def __init__(self, stage: str, total: int | None, done: int) -> None:
        self._stage, self._total, self._done = stage, total, done
        self._before, self._start, self._forwards = done, time.monotonic(), 0
        self._reported, self._reported_at = self._start, done

    def __call__(self, images: int) -> None:
        self._done += images
        self._log_now_and_then()

    def forwards(self, count: int) -> None:
        self._forwards += count
        self._log_now_and_then()

    def close(self) -> None:
        """Log the final count, if it is new."""
        if self._done > self._reported_at:
            self._log(time.monotonic())

    def _log_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._reported >= _QUIET_SECONDS:
            self._reported = now
            self._log(now)

    def _log(self, now: float) -> None:
        self._reported_at = self._done
        images = self._done - self._before
        rate = images / max(now - self._start, 1e-9)
        left = None if self._total is None else self._total - self._before
        more = f", {_forwards_text(self._forwards, images, left)}" if self._forwards else ""
        if self._total is None:
            log.info("%s: %d images, %.1f images/s%s", self._stage, self._done, rate, more)
            return
        until = ""
        if rate:
            seconds = int((self._total - self._done) / rate)
            until = f", {seconds // 60}:{seconds % 60:02d} left"
        log.info(
            "%s: %d of %d images, %.1f images/s%s%s",
            self._stage, self._done, self._total, rate, more, until,
        )  # fmt: skip


class StopRequest:
    """A context in which a first signal requests a stop; a second one ends the process at once."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._requested_at = 0.0
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        """Install the handlers; outside the main thread signals are not handled."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._request) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put the previous handlers back."""
        self._restore()

    def check(self, *, patience: float = 0.0) -> None:
        """Raise StoppedError if a signal has come at least ``patience`` seconds ago.

        Called without patience where little work is lost, with patience where much is.
        """
        if self._received is not None and time.monotonic() - self._requested_at >= patience:
            raise StoppedError(self._received)

    def stopping(
        self, progress: Callable[[int], None], *, patience: float = 0.0
    ) -> Callable[[int], None]:
        """``progress`` that raises StoppedError once a stop signal is ``patience`` seconds old."""

        def stoppable(count: int) -> None:
            progress(count)
            self.check(patience=patience)

        return stoppable

    def _request(self, number: int, _frame: FrameType | None) -> None:
        self._received, self._requested_at = number, time.monotonic()
        self._restore()
        log.warning(
            "signal %d: stopping, finished parts are kept; a second signal stops at once", number
        )

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
