"""Objects in memory that a key of the configuration names, as long as someone else uses them."""

from __future__ import annotations

from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Held(Generic[T]):
    """Objects by key; several may have one, being the same for an audit."""

    def __init__(self) -> None:
        self._by_key: dict[str, WeakSet[T]] = {}

    def put(self, key: str, value: T) -> None:
        """Let ``key`` name ``value``, too."""
        self._by_key.setdefault(key, WeakSet()).add(value)

    def get(self, key: str) -> T | None:
        """One that ``key`` names and that is still in use, else None."""
        return next(iter(self._by_key.get(key, ())), None)
