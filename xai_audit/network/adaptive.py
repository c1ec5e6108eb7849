"""Batches that are redone smaller when memory runs out, and grow back later.

The results do not depend on the size: only the number of images per call is changed.
"""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, TypeVar

import torch

from xai_audit.errors import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

T = TypeVar("T")

# Successful calls before a larger size is tried again; doubled each time the larger size fails.
_PATIENCE = 8


class AdaptiveBatch:
    """Calls a function over slices of at most ``size`` images.

    Args:
        batch_size: images a call, as requested.
    """

    def __init__(self, batch_size: int) -> None:
        self.requested = self.size = self.smallest = batch_size
        self.retries = 0
        self._patience, self._streak, self._grew = _PATIENCE, 0, False

    def over(self, count: int, call: Callable[[slice], T]) -> Iterator[tuple[slice, T | None]]:
        """``call(slice)`` for slices that cover 0..count; None for one image that never fits."""
        start = 0
        while start < count:
            piece = slice(start, min(start + self.size, count))
            result, failed = self._attempt(piece, call)
            if failed and self.size > 1:
                # A call for one image may have made copies of it, so many as ``size`` allows.
                alone = piece.stop - start == 1
                self._shrink(self.size if alone else piece.stop - start)
                continue
            self._grow_after(failed=failed)
            yield piece, result
            start = piece.stop

    def _attempt(self, piece: slice, call: Callable[[slice], T]) -> tuple[T | None, bool]:
        try:
            return call(piece), False
        except (MemoryError, RuntimeError) as exc:
            if not is_out_of_memory(exc):
                raise
        # Outside the handler: the traceback would keep the failed call's tensors alive.
        self.retries += 1
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None, True

    def _shrink(self, failed_size: int) -> None:
        if self._grew and self._streak == 0:
            self._patience *= 2
        self._grew = False
        self.size = max(failed_size // 2, 1)
        self.smallest = min(self.smallest, self.size)
        self._streak = 0
        log.warning("out of memory at %d images a batch, going on with %d", failed_size, self.size)

    def _grow_after(self, *, failed: bool) -> None:
        self._streak = 0 if failed else self._streak + 1
        if self._streak >= self._patience and self.size < self.requested:
            self.size = min(self.size * 2, self.requested)
            self._streak, self._grew = 0, True
