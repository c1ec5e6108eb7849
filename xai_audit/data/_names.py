"""Names of files as text that Arrow, JSON and HTML take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from xai_audit.store.address import placed

if TYPE_CHECKING:
    from pathlib import Path


def shown(name: str) -> str:
    r"""``name`` as valid unicode; bytes that are not UTF-8 are shown as ``\xff``.

    Valid names come back as they are, without unicode normalisation: on Linux two spellings of
    one text are two files.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def absolute(path: str | Path) -> Path:
    """``path`` from the file system's root, in the user's own spelling of linked folders.

    An address of a store is the path that stands for it.
    """
    return placed(path)
