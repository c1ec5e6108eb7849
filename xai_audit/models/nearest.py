"""The remedy for a name that does not exist: the names that look like it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: object, names: Iterable[str]) -> str:
    """Up to three of ``names`` that look like ``name``, else the first few, as one text."""
    known = list(names)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    return ", ".join(close) if close else ", ".join([*known[:5], "..."][: len(known)])
