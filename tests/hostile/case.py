"""A case of the corpus: what is wrong, how it is made, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One hostile file.

    Attributes:
        title: what is wrong with it, in a few words.
        expected: the status of its row, or what its error says (a regular expression).
        make: writes it at the path that it is given, or in the folder.
        name: of the file; bytes where it is no text.
    """

    title: str
    expected: str
    make: Callable[[Path], object]
    name: str | bytes = ""

    def __str__(self) -> str:
        return self.title
