"""Objects in memory that a key of the configuration names, as long as someone else uses them."""

from __future__ import annotations

from typing import Generic, TypeVar
from weakref import ref

T = TypeVar("T")


class Held(Generic[T]):
    """Objects by key; of several that have one the last that was put is meant."""

    def __init__(self) -> None:
        self._by_key: dict[str, list[ref[T]]] = {}

    def put(self, key: str, value: T) -> None:
        """Let ``key`` name ``value``."""
        alive = [each for each in self._by_key.get(key, ()) if each() is not None]
        self._by_key[key] = [*alive, ref(value)]

    def get(self, key: str) -> T | None:
        """The last one put under ``key`` that is still in use, else None."""
        found = (each() for each in reversed(self._by_key.get(key, ())))
        return next((each for each in found if each is not None), None)
