"""How this process and its workers log: to stderr, a line each, with its time."""

from __future__ import annotations

import logging
import sys

from xai_audit.errors import spelled_out


class _Lines(logging.Formatter):
    """Messages on one line each; a traceback keeps its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = spelled_out(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's own name
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(map(spelled_out, text.splitlines()))


def handler() -> logging.Handler:
    """A handler that writes to stderr."""
    made = logging.StreamHandler(sys.stderr)
    made.setFormatter(_Lines("%(asctime)s %(message)s", "%H:%M:%S"))
    return made
