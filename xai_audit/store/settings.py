"""How stores are read, the same in every process of an audit.

It changes where bytes come from and never a row, so it is no key of a plugin and of no fingerprint.
It is kept in the environment, because that is what worker processes of every kind inherit.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from functools import lru_cache

_NAME = "XAI_AUDIT_STORE"
_BEGIN = time.time()


@dataclass(frozen=True)
class Settings:
    """The keys ``store.*``.

    Attributes:
        cache: folder of files read before; None: one in the system's temporary folder.
        cache_bytes: most that it holds; 0 keeps none.
        timeout: seconds without an answer after which a request has failed.
        retries: further attempts after one that failed.
        scratch: folder for the copies of runs that are at home in a store; None: one in the
            system's temporary folder.
        since: when the audit began; what was compared with the store after that is current.
    """

    cache: str | None = None
    cache_bytes: int = 2 * 10**9
    timeout: float = 10.0
    retries: int = 4
    scratch: str | None = None
    since: float = _BEGIN


def configure(
    *, cache: str | None, cache_gb: float, timeout: float, retries: int, scratch: str | None = None
) -> None:
    """Set how this process and those that it starts read stores; an audit begins now."""
    chosen = Settings(
        cache=_absolute(cache),
        cache_bytes=int(cache_gb * 10**9),
        timeout=timeout,
        retries=retries,
        scratch=_absolute(scratch),
        since=time.time(),
    )
    os.environ[_NAME] = json.dumps(asdict(chosen))


def _absolute(folder: str | None) -> str | None:
    return None if folder is None else os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111


def settings() -> Settings:
    """How stores are read."""
    return _parsed(os.environ.get(_NAME))


@lru_cache(maxsize=8)
def _parsed(text: str | None) -> Settings:
    return Settings() if text is None else Settings(**json.loads(text))
