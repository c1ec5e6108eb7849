"""Values of Python in the grammar of Hydra's command line."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from xai_audit.config.nodes import CONF_DIR
from xai_audit.errors import ConfigError, similar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAMED = ("masks", "method", "transform", "config_dir")  # of audit(), beside the keys


def override(key: str, value: object) -> str:
    """``key=value`` in the grammar of Hydra's command line."""
    return f"{key}={_text(value, key)}"


def overrides(keys: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """An override a key; choices of a group stay words, mappings become dotted keys."""
    groups = {path.name for path in CONF_DIR.iterdir() if path.is_dir()}
    for name, value in keys.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from overrides(value, f"{key}.")
        elif key in groups and isinstance(value, str):
            yield f"{key}={value}"
        else:
            yield override(key, value)


def _text(value: object, key: str) -> str:
    """``value`` as Hydra's grammar spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, os.PathLike)):
        # A backslash counts only before a quote.
        text = re.sub(r"(\\*)(')", r"\1\1\\\2", os.fspath(value))
        trailing = len(text) - len(text.rstrip("\\"))
        return "'" + text + "\\" * trailing + "'"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_text(each, key)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_text(each, key) for each in value) + "]"
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return _text(value.tolist(), key)
    near = similar(key, _NAMED)
    raise ConfigError(
        "a value that no key takes", where=f"audit({key}=...)", got=type(value).__name__,
        remedy=f"did you mean {near[0]}=?" if near else None,
    )  # fmt: skip


def choices(group: str) -> list[str]:
    """The names of a group's YAML files."""
    return sorted(file.stem for file in (CONF_DIR / group).glob("*.yaml"))
