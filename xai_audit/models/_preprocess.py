"""An eval transform with the user's changes, checked before the model loads."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

# PIL's numbers of the filters that there are.
PIL_FILTERS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
INTERPOLATIONS = tuple(PIL_FILTERS.values())


def override(base: Preprocess, given: Mapping[str, object]) -> Preprocess:
    """``base`` with every value of ``given`` that is not None.

    Args:
        base: the model's own eval transform.
        given: ``resize`` (int: the shorter side; a pair: both, which squashes the photo and, where
            no crop is given, crops nothing; False: none), ``crop`` (int or pair), ``mean``, ``std``
            (a list of one number a channel, or a number for every channel), ``scale``,
            ``interpolation``, ``antialias``.

    Raises:
        ConfigError: naming the key, what it takes and what it got.
    """
    unknown = sorted(set(given) - set(_READERS))
    if unknown:
        raise _wrong(unknown[0], f"one of {', '.join(_READERS)}", unknown[0])
    changes = {
        key: read(key, given[key]) for key, read in _READERS.items() if given.get(key) is not None
    }
    if isinstance(changes.get("resize"), tuple) and "crop" not in changes:
        changes["crop"] = changes["resize"]
        log.info("model.preprocess.resize=[h,w] squashes photos; model.preprocess.crop=N crops too")
    merged = dataclasses.replace(base, **changes)  # type: ignore[arg-type]
    mean, std = merged.mean, merged.std
    if isinstance(given.get("mean"), (int, float)):
        merged = dataclasses.replace(merged, mean=mean * len(std))
    if isinstance(given.get("std"), (int, float)):
        merged = dataclasses.replace(merged, std=std * len(mean))
    if len(merged.mean) != len(merged.std):
        got = f"{len(merged.mean)} and {len(merged.std)} of them"
        raise _wrong("mean and std", "one number a channel in both", got)
    _warn_of_padding(merged)
    return merged


def _warn_of_padding(preprocess: Preprocess) -> None:
    """Log that photos are padded, which is allowed but rarely intended."""
    resize, crop = preprocess.resize, preprocess.crop
    if resize is None:
        return
    sides = (resize, resize) if isinstance(resize, int) else resize
    if any(side < wanted for side, wanted in zip(sides, crop, strict=True)):
        log.warning(
            "preprocess.resize %s is smaller than crop %s: photos get padded",
            *("x".join(map(str, pair)) for pair in (sides, crop)),
        )


def _wrong(key: str, expected: str, got: object) -> ConfigError:
    return ConfigError(
        "a value that the eval transform cannot use",
        where=f"model.preprocess.{key}",
        expected=expected,
        got=repr(got),
    )


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _pair(key: str, value: object) -> tuple[int, int]:
    """(height, width) of an int or a pair."""
    sides = value if isinstance(value, (list, tuple)) else (value, value)
    if len(sides) != 2 or not all(map(_is_side, sides)):
        raise _wrong(key, "a positive int or [height, width], px", value)
    return (sides[0], sides[1])


def _resize(key: str, value: object) -> int | tuple[int, int] | None:
    """The shorter side, (height, width) to squash to, or None for no resize."""
    if value is False:
        return None
    return _pair(key, value) if isinstance(value, (list, tuple)) else _pair(key, value)[0]


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(key, "a finite number", value)
    return float(value)


def _positive(key: str, value: object) -> float:
    number = _number(key, value)
    if number <= 0:
        raise _wrong(key, "a number over 0", value)
    return number


def _channels(read: Callable[[str, object], float]) -> Callable[[str, object], tuple[float, ...]]:
    """A reader of one number a channel."""

    def channels(key: str, value: object) -> tuple[float, ...]:
        values = value if isinstance(value, (list, tuple)) else (value,)
        if not values:
            raise _wrong(key, "one number a channel", value)
        return tuple(read(key, item) for item in values)

    return channels


def _interpolation(key: str, value: object) -> str:
    name = str(value).lower()
    if name not in INTERPOLATIONS:
        raise _wrong(key, f"one of {', '.join(INTERPOLATIONS)}", value)
    return name


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, "true or false", value)
    return value


_READERS: dict[str, Callable[[str, object], object]] = {
    "resize": _resize,
    "crop": _pair,
    "mean": _channels(_number),
    "std": _channels(_positive),
    "scale": _positive,
    "interpolation": _interpolation,
    "antialias": _flag,
}
