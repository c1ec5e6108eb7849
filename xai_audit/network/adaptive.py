"""Batches on the user's model: redone smaller when memory runs out, its other errors in one line.

The results do not depend on the size: only the number of images per call is changed, and it grows
back later.
"""

from __future__ import annotations

import gc
import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch

from xai_audit.errors import AuditError, PluginError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


_SHOWN = 3


@contextmanager
def model_errors(module: torch.nn.Module, image_ids: Sequence[str]) -> Iterator[None]:
    """A block in which an error of ``module`` becomes a PluginError that names the images.

    All other errors pass unchanged, and so does one of memory: the batch is redone smaller.

    Args:
        module: the model.
        image_ids: of the batch.

    Raises:
        PluginError: its forward, or the way back through it, failed.
    """
    try:
        yield
    except AuditError:
        raise
    except (Exception, SystemExit) as exc:  # a user's forward may raise anything
        if is_out_of_memory(exc) or not is_from(exc, module):
            raise
        shown = ", ".join(image_ids[:_SHOWN])
        more = len(image_ids) - _SHOWN
        raise PluginError(
            "the model failed",
            where=f"{shown} and {more} more" if more > 0 else shown,
            got=f"{type(exc).__name__}: {str(exc)[:200]}",
            remedy="fix the model's forward, or try compute.batch_size=1 if it takes no batches",
        ) from exc


def is_from(exc: BaseException, module: torch.nn.Module) -> bool:
    """Whether ``exc`` was raised within a call of ``module``, or in a backward through it.

    An exception raised by a hook of this package does not count.
    """
    backward, theirs = torch.autograd.grad.__code__, False
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        name = str(frame.f_globals.get("__name__", ""))
        if frame.f_locals.get("self") is module or frame.f_code is backward:
            theirs = True
        elif name.startswith("xai_audit.") and not name.startswith("xai_audit.demo."):
            theirs = False
    return theirs
