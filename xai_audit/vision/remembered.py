"""Results of functions of pixels, found again by the pixels: a donor serves many photos."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")
# Bytes that a key and a number take.
_SMALL = 256


def remembered(most: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function of tensors and plain values keep its results, those asked for last.

    The function must depend on its arguments alone, and its results must be left as they are.

    Args:
        most: bytes of results that a process keeps.
    """

    def keeping(function: Callable[P, R]) -> Callable[P, R]:
        kept: OrderedDict[bytes, R] = OrderedDict()
        held = 0

        @wraps(function)
        def known(*args: P.args, **kwargs: P.kwargs) -> R:
            nonlocal held
            key = _content(*args, *sorted(kwargs.items()))
            if key not in kept:
                kept[key] = found = function(*args, **kwargs)
                held += _bytes(found)
                while held > most and len(kept) > 1:
                    held -= _bytes(kept.popitem(last=False)[1])
            kept.move_to_end(key)
            return kept[key]

        return known

    return keeping


def _content(*values: object) -> bytes:
    """16 bytes of what ``values`` hold."""
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        if isinstance(value, torch.Tensor):
            digest.update(repr((value.dtype, tuple(value.shape))).encode())
            digest.update(value.contiguous().numpy().data)
        else:
            digest.update(repr(value).encode())
        digest.update(b"|")
    return digest.digest()


def _bytes(value: object) -> int:
    return _SMALL + (value.nbytes if isinstance(value, torch.Tensor) else 0)
