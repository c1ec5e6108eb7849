"""The engine of one machine: parts are computed in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class LocalEngine:
    """Computes parts in the driver's own process.

    Args:
        here: makes parts of a stage in the driver's own process.
    """

    def __init__(self, *, here: Callable[[str, Sequence[int]], None]) -> None:
        self._here = here

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:  # noqa: ARG002
        """Make the parts ``numbers`` of ``stage``, one after another."""
        self._here(stage, numbers)
