"""The augmentations by name with their strengths, as a user writes them; loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Name -> strength where none is given. flip: none; crop: share of each side that is cut off;
# rotate: degrees, counterclockwise; colour: largest change of brightness, contrast and saturation,
# as a share; blur: standard deviation in px of a view of 224; noise: standard deviation in grey
# levels.
STRENGTHS = {"flip": 1.0, "crop": 0.2, "rotate": 15.0, "colour": 0.4, "blur": 2.0, "noise": 16.0}


def requested(names: Sequence[str]) -> list[tuple[str, float]]:
    """The augmentations of ``names`` with their strengths, each once: ``rotate:30``, ``flip``."""
    found = []
    for word in names:
        name, _, strength = word.partition(":")
        found.append((name, float(strength) if strength else STRENGTHS[name]))
    return list(dict.fromkeys(found))
