"""The user's cache folder, for what is made or downloaded once."""

from __future__ import annotations

import os
from pathlib import Path

from xai_audit.errors import ConfigError


def user_cache() -> Path:
    """``xai_audit`` in the user's cache folder; it need not be there yet.

    Raises:
        ConfigError: there is none, as in a container whose user has no entry and no HOME.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as exc:
        raise ConfigError(
            "no home folder for a cache",
            where="HOME",
            got=exc,
            remedy="XDG_CACHE_HOME=DIR before the command, or dataset.root=DIR for the demo",
        ) from exc
    return base / "xai_audit"
