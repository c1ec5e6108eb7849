"""Checks every value of the configuration against the limits that its field declares."""

from __future__ import annotations

import math
import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xai_audit.config.nodes import AuditConfig


def validate(settings: AuditConfig) -> None:
    """Raise ConfigError for the first value outside the limits of its field."""
    for key, value, limits in leaves(settings):
        if value is None:
            continue
        if limits.get("distinct"):
            _check_list(key, value, limits)
        elif limits:
            _check_value(key, value, limits)
    if settings.cues == [] and "evidence" in settings.stages:
        remedy = "cues=null for all, or leave evidence out of stages"
        raise ConfigError("no cue to examine", where="cues", got="[]", remedy=remedy)


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any, Mapping[str, Any]]]:  # noqa: ANN401 - any dataclass
    """Each key below the dataclass ``node``: dotted name, value, the metadata of its field."""
    for field in fields(node):
        value = getattr(node, field.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value, field.metadata


def _check_value(key: str, value: object, limits: Mapping[str, Any]) -> None:
    choices = limits.get("choices", ())
    if value in choices:
        return
    span = _span(limits)
    if span is None:
        raise ConfigError(
            "unknown value", where=key, expected=f"one of {', '.join(choices)}", got=value
        )
    if not _within(value, limits):
        expected = " or ".join([*choices, span])
        raise ConfigError("bad value", where=key, expected=expected, got=value)


def _span(limits: Mapping[str, Any]) -> str | None:
    """The range of numbers that ``limits`` allow in words, None where they allow no number."""
    if "above" in limits:
        return f"above {limits['above']}, up to {limits['max']}"
    if "max" in limits:
        return f"{limits['min']} to {limits['max']}"
    return f">= {limits['min']}" if "min" in limits else None


def _within(value: object, limits: Mapping[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    above, low = limits.get("above", -math.inf), limits.get("min", -math.inf)
    # A comparison with NaN is false, so NaN is never within.
    return bool(above < value and low <= value <= limits.get("max", math.inf))


def _check_list(key: str, given: list[str], limits: Mapping[str, Any]) -> None:
    """Refuse an empty list, a name twice, and names that are neither a choice nor of a form."""
    choices, forms = limits.get("choices", ()), limits.get("forms", {})
    names = ", ".join([*choices, *forms])
    for name in given if choices else ():
        if name not in choices and not any(re.fullmatch(form, name) for form in forms.values()):
            raise ConfigError("unknown value", where=key, expected=f"one of {names}", got=name)
    if not given:
        expected = f"some of {names}" if names else "at least one"
        raise ConfigError("nothing chosen", where=key, expected=expected)
    if len(set(given)) != len(given):
        raise ConfigError("named twice", where=key, got=", ".join(given))
