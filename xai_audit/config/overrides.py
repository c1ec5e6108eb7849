"""Overrides of the command line as Hydra takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xai_audit.config.spec import GROUPS
from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_KEY = 200  # bytes: Hydra looks for a folder of its name
# Nodes whose keys are the user's own.
_KWARGS = "|".join([*GROUPS, "method"])
_OPEN = re.compile(rf"\+{{0,2}}(method_args|gate\.max_reliance|({_KWARGS})\.kwargs)(\.[^=]*)?=")


def with_open_nodes(overrides: Sequence[str]) -> list[str]:
    """The overrides with keys of the user's own added, with or without a plus.

    Hydra's grammar takes a new key with a plus only, and a whole node with two.

    Raises:
        ConfigError: a key longer than any.
    """
    for override in overrides:
        key, equals, _ = override.partition("=")
        if equals and len(key.encode("utf-8", "surrogatepass")) > _LONGEST_KEY:
            raise ConfigError("no such key", where=f"{key[:40]}...", got=f"{len(key)} letters")
    return [f"++{each.lstrip('+')}" if _OPEN.match(each) else each for each in overrides]
