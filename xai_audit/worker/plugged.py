"""A method called as a plugin: what it raises and what it returns is checked once, here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import AuditError, PluginError
from xai_audit.types import Attribution
from xai_audit.worker.adaptive import is_out_of_memory
from xai_audit.worker.blame import is_from

if TYPE_CHECKING:
    from xai_audit.types import Asked, Attributor

log = logging.getLogger(__name__)

_SHOWN = 3


def attributed(method: Attributor, asked: Asked) -> Attribution:
    """What ``method`` says of ``asked``.

    Memory that ran out, what the model itself raises and errors of our own pass as they are.

    Raises:
        PluginError: the method failed, or broke its contract.
    """
    try:
        found = method.attribute(asked)
    except AuditError:
        raise
    except Exception as exc:  # a user's method may raise anything
        ours = type(method).__module__.startswith("xai_audit.")  # to be mended by us: a traceback
        if ours or is_out_of_memory(exc) or is_from(exc, asked.model.module):
            raise
        log.debug("method %s failed", method.name, exc_info=exc)
        raise PluginError(
            f"method {method.name} failed",
            where=_ids(asked),
            got=f"{type(exc).__name__}: {str(exc)[:200]}",
        ) from exc
    _check(method, asked, found)
    return found


def _check(method: Attributor, asked: Asked, found: object) -> None:
    shape = (len(asked.images), len(asked.targets))
    if not isinstance(found, Attribution) or not isinstance(found.maps, torch.Tensor):
        got = found.maps if isinstance(found, Attribution) else found
        raise _broken(method, asked, "an Attribution of a tensor", type(got).__name__)
    maps, error = found.maps, found.completeness_error
    if maps.ndim != 4 or maps.shape[:2] != shape or len(asked.logits) != shape[0]:
        raise _broken(method, asked, f"attribution ({shape[0]}, {shape[1]}, h, w)", maps.shape)
    if error is not None and error.shape != shape:
        raise _broken(method, asked, f"completeness_error {shape}", error.shape)


def _broken(method: Attributor, asked: Asked, expected: str, got: object) -> PluginError:
    told = tuple(got) if isinstance(got, torch.Size) else got
    return PluginError(
        f"method {method.name} broke its contract", where=_ids(asked), expected=expected, got=told
    )


def _ids(asked: Asked) -> str:
    return ", ".join(asked.image_ids[:_SHOWN])
