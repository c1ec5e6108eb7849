"""The engine of one machine: the work happens in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LocalEngine:
    """Runs the attribute stage here."""

    def run(self, work: Callable[[], None]) -> None:
        """Do ``work`` and come back when it is done."""
        work()
