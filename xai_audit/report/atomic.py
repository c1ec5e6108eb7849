"""A folder that appears whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """An empty sibling that takes the place of ``folder`` when the block ends well.

    No call swaps two folders portably, so the old one steps aside for the length of one rename
    and steps back should that fail. What a killed run left behind is cleared on entry.
    """
    new, old = (folder.with_name(f".{folder.name}.{end}.tmp") for end in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
