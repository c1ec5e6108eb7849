"""The engine of one machine: parts are computed in this process, or left to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class LocalEngine:
    """Computes parts in the driver's own process.

    Args:
        here: makes parts of a stage in the driver's own process.
        workers: 1, or 0 where other processes (``shard=i/n``) make the parts.

    Raises:
        ConfigError: another number of workers.
    """

    def __init__(self, *, here: Callable[[str, Sequence[int]], None], workers: int = 1) -> None:
        if workers not in (0, 1):
            raise ConfigError("bad value", where="engine.workers", expected="0 or 1", got=workers)
        self._here, self.elsewhere = here, workers == 0

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:  # noqa: ARG002
        """Make the parts ``numbers`` of ``stage``, one after another, unless others do."""
        if not self.elsewhere:
            self._here(stage, numbers)
