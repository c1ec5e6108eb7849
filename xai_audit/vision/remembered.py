"""What was used last is kept, up to some bytes: photos, and results found again by their pixels."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import wraps
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

P = ParamSpec("P")
R = TypeVar("R")
# Bytes that a key and a number take.
_SMALL = 256


class LastUsed(Generic[R]):
    """Values by key, those used last.

    Args:
        most: bytes of values that are kept; the last one is, however large.
        size: bytes of a value.
    """

    def __init__(self, most: int, size: Callable[[R], int]) -> None:
        self._most, self._size, self._held = most, size, 0
        self._kept: OrderedDict[Hashable, R] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], R]) -> R:
        """The value of ``key``, by ``make`` where it is not kept."""
        if key not in self._kept:
            self._kept[key] = made = make()
            self._held += self._size(made)
            while self._held > self._most and len(self._kept) > 1:
                self._held -= self._size(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        return self._kept[key]


def remembered(most: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function of tensors and plain values keep its results, those asked for last.

    The function must depend on its arguments alone, and its results must be left as they are.

    Args:
        most: bytes of results that a process keeps.
    """

    def keeping(function: Callable[P, R]) -> Callable[P, R]:
        kept: LastUsed[R] = LastUsed(most, _bytes)

        @wraps(function)
        def known(*args: P.args, **kwargs: P.kwargs) -> R:
            key = _content(*args, *sorted(kwargs.items()))
            return kept.get(key, lambda: function(*args, **kwargs))

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
