"""Errors of the user's own model, reported in one line with the images of the batch."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import AuditError, PluginError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
