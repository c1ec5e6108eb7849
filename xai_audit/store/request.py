"""Requests to stores: each with a time limit, and tried again where what failed may pass.

fsspec's file systems do the talking, one a process: the connections and the event loop of the
process that it was forked from would be shared. What fails for a reason that may pass is tried
again here and not in the libraries, so that all stores are waited for alike.
"""

from __future__ import annotations

import os
import random
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from xai_audit.store.address import scheme_of
from xai_audit.store.failure import failure
from xai_audit.store.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # seconds between attempts
_CHOSEN_BY = ("AWS_", "AZURE_", "FSSPEC_", "GCSFS_", "GOOGLE_", "HF_", "HOME", "STORAGE_")


def tried(path: str | os.PathLike[str], attempt: Callable[[], T]) -> T:
    """The result of ``attempt``, made again after a while where its failure may pass."""
    retries = settings().retries
    for number in range(retries + 1):
        try:
            return attempt()
        except (TypeError, AttributeError, NameError):  # a bug, not a store's answer
            raise
        except Exception as exc:  # noqa: BLE001 - the libraries have no common error
            found = failure(exc, os.fspath(path))
            if found.lasting or number == retries:
                raise found from exc
        # Workers that failed together must not come back together; random's generator is not ours.
        longest = min(_FIRST_WAIT * 2**number, _LONGEST_WAIT)
        time.sleep(longest * random.SystemRandom().uniform(0.5, 1.0))
    raise AssertionError


def called(files: Any, name: str, *arguments: object, limit: float, **more: object) -> Any:  # noqa: ANN401 - fsspec is untyped
    """The result of a method of a file system of fsspec, which may take ``limit`` seconds."""
    from fsspec.asyn import AsyncFileSystem, sync

    if isinstance(files, AsyncFileSystem):
        return sync(files.loop, getattr(files, f"_{name}"), *arguments, timeout=limit, **more)
    return getattr(files, name)(*arguments, **more)


def file_system_of(path: str | os.PathLike[str]) -> Any:  # noqa: ANN401 - fsspec is untyped
    """Fsspec's file system for ``path``, of this process."""
    # Endpoint and credentials are in the environment: where they change, so must the file system.
    chosen = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_CHOSEN_BY)))
    return _file_system(scheme_of(path), settings().timeout, os.getpid(), chosen)


@lru_cache(maxsize=64)
def _file_system(scheme: str, timeout: float, process: int, chosen: object) -> Any:  # noqa: ANN401
    import fsspec

    del process, chosen  # they only tell one from another
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        own = dict(fsspec.config.conf.get("s3", {}).get("config_kwargs", {}))
        limits = {"connect_timeout": min(timeout, 5), "read_timeout": timeout}
        # One request an object: with more than one at a time the size is asked first.
        options |= {"config_kwargs": limits | own | {"retries": {"total_max_attempts": 1}}}
        options |= {"max_concurrency": 1}
    files = fsspec.filesystem(scheme, **options)
    if scheme == "s3":
        files.retries = 1  # attempts: its own would come on top of ours
    return files
