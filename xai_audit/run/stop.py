"""SIGINT and SIGTERM as a request: finish what is in hand, keep it, stop."""

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

# Seconds that a signal waits for what is in hand to be whole and kept, where that may be hours
# away (a method that asks about a thousand copies of an image); Slurm and Kubernetes kill after 30.
PATIENCE = 15.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context in which the first signal only asks; a second one acts as it always does."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._asked_at = 0.0
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        """Install the handlers; outside the main thread signals stay as they are."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._ask) for number in _SIGNALS}
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

        Called where little is lost; with patience where much is, but the end may be hours away.
        """
        if self._received is not None and time.monotonic() - self._asked_at >= patience:
            raise StoppedError(self._received)

    def stopping(
        self, progress: Callable[[int], None], *, patience: float = 0.0
    ) -> Callable[[int], None]:
        """``progress`` that ends what is in hand where a signal has waited ``patience`` seconds."""

        def told(count: int) -> None:
            progress(count)
            self.check(patience=patience)

        return told

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self._received, self._asked_at = number, time.monotonic()
        self._restore()
        log.warning("signal %d: stopping, what is written is kept; once more stops at once", number)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
