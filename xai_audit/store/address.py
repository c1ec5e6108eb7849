"""Addresses of object stores, ``s3://bucket/key``, as paths that every part of the package takes.

``s3://bucket/key`` travels as the path ``/s3:/bucket/key``: joined, split and compared as any other
path, recognised by :func:`is_remote`, and written out again by :func:`spelled`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from xai_audit.errors import ConfigError

# Scheme -> the extra of this package that installs what reads it.
EXTRAS: dict[str, str | None] = {
    "s3": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "hf": "hub",
    "memory": None,
}
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HELD = re.compile(rf"/({'|'.join(EXTRAS)}):/(.*)", re.DOTALL)


def is_address(text: object) -> bool:
    """Whether ``text`` is written as an address, of whatever store."""
    return isinstance(text, str) and _ADDRESS.match(text) is not None


def placed(text: str | Path) -> Path:
    """The path that stands for ``text``: absolute, of the file system or of a store.

    A path of the file system keeps the user's own spelling of linked folders.

    Raises:
        ConfigError: an address of no store that is known, or one with credentials in it.
    """
    found = _ADDRESS.match(os.fspath(text))
    if found is None:
        full = Path(text).expanduser().absolute()
        return full.resolve() if ".." in full.parts else full
    scheme, rest = found[1].lower(), found[2]
    if scheme == "file":
        return Path(f"/{rest.lstrip('/')}")
    if scheme not in EXTRAS or not rest.strip("/"):
        raise ConfigError(
            "no such address",
            where=text,
            expected=f"a path, or SCHEME://PLACE with a scheme of file, {', '.join(EXTRAS)}",
            got=f"the scheme {scheme}" if scheme not in EXTRAS else "no place",
        )
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise ConfigError(
            "an address holds credentials",
            where=f"{scheme}://...@{rest.rpartition('@')[2]}",
            expected="the address alone: it is written to run.json and to the report",
            remedy="give credentials as the store's own tools take them, in the environment",
        )
    return Path(os.path.normpath(f"/{scheme}:/{rest.lstrip('/')}"))


def path_of(name: str) -> Path:
    """The path that ``name`` is, as the file system spells it, or that stands for an address."""
    return placed(name) if is_address(name) else Path(name)


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` stands for an address of a store."""
    return _HELD.match(os.fspath(path)) is not None


def home_of(path: str | os.PathLike[str]) -> Path | None:
    """The path that stands for the address that a local copy's ``path`` tells; None if it is none.

    A copy lies at its address below another folder: ``/tmp/copies/s3:/bucket/key``.
    """
    found = _HELD.search(os.fspath(path))
    return None if found is None or not found.start() else Path(found[0])


def scheme_of(path: str | os.PathLike[str]) -> str:
    """The scheme of the address that ``path`` stands for."""
    found = _HELD.match(os.fspath(path))
    return "file" if found is None else found[1]


def spelled(path: str | os.PathLike[str]) -> str:
    """The address that ``path``, or a local copy's path, stands for; any other path as it is."""
    text = os.fspath(path)
    found = _HELD.search(text)
    return text if found is None else f"{found[1]}://{found[2]}"
