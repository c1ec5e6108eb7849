"""An attribution method called, its errors as one line and what it returns checked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import AuditError, PluginError, is_out_of_memory
from xai_audit.network.inputs import is_from
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Attributor, Request

log = logging.getLogger(__name__)
_SHOWN = 3


def call_method(method: Attributor, request: Request) -> Attribution:
    """The attribution that ``method`` returns for ``request``, checked.

    Errors of memory, of the model and of this package pass unchanged.

    Raises:
        PluginError: the method failed, or broke its contract.
    """
    try:
        found = method.attribute(request)
    except AuditError:
        raise
    except Exception as exc:  # a user's method may raise anything
        ours = type(method).__module__.startswith("xai_audit.")  # a bug here shows its traceback
        if ours or is_out_of_memory(exc) or is_from(exc, request.model.module):
            raise
        log.debug("method %s failed", method.name, exc_info=exc)
        raise PluginError(
            f"method {method.name} failed",
            where=_ids(request),
            got=f"{type(exc).__name__}: {str(exc)[:200]}",
        ) from exc
    _check(method, request, found)
    return found


def _check(method: Attributor, request: Request, found: object) -> None:
    shape = (len(request.images), len(request.targets))
    if not isinstance(found, Attribution) or not isinstance(found.maps, torch.Tensor):
        got = found.maps if isinstance(found, Attribution) else found
        raise _broken(method, request, "an Attribution of a tensor", type(got).__name__)
    maps, error = found.maps, found.completeness_error
    if maps.ndim != 4 or maps.shape[:2] != shape or len(request.logits) != shape[0]:
        raise _broken(method, request, f"attribution ({shape[0]}, {shape[1]}, h, w)", maps.shape)
    if error is not None and error.shape != shape:
        raise _broken(method, request, f"completeness_error {shape}", error.shape)


def _broken(method: Attributor, request: Request, expected: str, got: object) -> PluginError:
    shown = tuple(got) if isinstance(got, torch.Size) else got
    return PluginError(
        f"method {method.name} broke its contract",
        where=_ids(request),
        expected=expected,
        got=shown,
    )


def _ids(request: Request) -> str:
    return ", ".join(request.image_ids[:_SHOWN])
