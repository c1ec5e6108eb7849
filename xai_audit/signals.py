"""SIGINT and SIGTERM as a request: finish what is in hand, keep it, stop."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

from xai_audit.errors import StoppedError

if TYPE_CHECKING:
    from types import FrameType, TracebackType

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context in which the first signal only asks; a second one acts as it always does."""

    def __init__(self) -> None:
        self._received: int | None = None
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

    def check(self) -> None:
        """Raise StoppedError if a signal has come; called where little is lost."""
        if self._received is not None:
            raise StoppedError(self._received)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self._received = number
        self._restore()
        log.warning("signal %d: stopping, what is written is kept; once more stops at once", number)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
