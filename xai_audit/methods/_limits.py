"""Checks of a method's keys, which raise a ConfigError of one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection


def within(method: str, key: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuse a ``value`` outside ``low`` to ``high``.

    Raises:
        ConfigError: naming the method and its key.
    """
    if not low <= value <= high:
        raise ConfigError(
            "bad value",
            where=f"method.{key} of {method}",
            expected=f">= {low:g}" if high == math.inf else f"{low:g} to {high:g}",
            got=value,
        )


def one_of(method: str, key: str, value: str, known: Collection[str]) -> str:
    """``value``, checked to be one of ``known``.

    Raises:
        ConfigError: it is none, naming the method and its key.
    """
    if value not in known:
        raise ConfigError(
            "unknown value",
            where=f"method.{key} of {method}",
            expected=f"one of {', '.join(known)}",
            got=value,
        )
    return value
