"""SIGINT and SIGTERM as a request to stop: finish the current part, keep it, end."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import TYPE_CHECKING

from xai_audit.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

log = logging.getLogger(__name__)

# Seconds that a signal waits for the current part to be finished and kept, which may take hours (a
# method that runs a thousand copies of an image); Slurm and Kubernetes kill after 30.
PATIENCE = 15.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
