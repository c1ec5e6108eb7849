"""Errors of the user's own model told in one line, with the images that it was given."""

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
    """A block in which what ``module`` raises names the images; all else passes as it is.

    Memory that ran out passes, too: the batch is redone smaller.

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
            remedy="mend the model, or try compute.batch_size=1 for one that takes no batches",
        ) from exc


def is_from(exc: BaseException, module: torch.nn.Module) -> bool:
    """Whether ``exc`` was raised within a call of ``module``, or in a backward through it.

    Not where a hook of our own raised it.
    """
    backward, theirs = torch.autograd.grad.__code__, False
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        name = str(frame.f_globals.get("__name__", ""))
        if frame.f_locals.get("self") is module or frame.f_code is backward:
            theirs = True
        elif name.startswith("xai_audit.") and not name.startswith("xai_audit.demo."):
            theirs = False
    return theirs
