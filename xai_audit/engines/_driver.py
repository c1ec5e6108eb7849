"""What an engine may ask of the process that drives the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Driver(Protocol):
    """Given to every engine as ``driver``; all of it is about the stage that is being made."""

    def make(self, stage: str, numbers: Sequence[int]) -> None:
        """Make parts in the driver's own process."""

    def pause(self, seconds: float) -> None:
        """Sleep, show the parts that appear on disk, and raise where the run is to stop."""

    def left(self) -> list[int]:
        """The numbers of the parts that are not there yet."""

    def lost(self, number: int, ended: str, pid: int | None = None) -> None:
        """Note that a worker died on a part, which it cannot say itself.

        Args:
            number: of the part.
            ended: how the worker did.
            pid: of the worker on this machine; None: it was elsewhere, which ``ended`` tells.
        """
