"""A few photos under heatmaps on one sheet, for the sections that compare some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.report.caption import Caption
from xai_audit.report.overlay import Look, draw
from xai_audit.report.sheet import Thumbnail, cell_side, contact_sheet, thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from xai_audit.report.material import Material
    from xai_audit.report.picks import Key

_QUALITY = 88
_NO_WORDS = Caption("", None, None, None)


@dataclass(frozen=True)
class Strip:
    """A sheet on disk.

    Attributes:
        file: its name.
        width: px.
        height: px.
        title: what is told above it.
        alt: the sheet in words.
    """

    file: str
    width: int
    height: int
    title: str
    alt: str


def picture(key: Key, material: Material, look: Look, *, heat: bool = True) -> Image.Image:
    """The small photo of ``key`` under its heatmap; a grey tile where it cannot be read.

    Args:
        key: image and method.
        material: with the photo's file and heatmap.
        look: of the report's overlays.
        heat: False leaves the heatmap out.
    """
    heatmap = material.heatmaps.get(key) if heat else None
    overlay = draw(material.files.get(key[0]), heatmap, _NO_WORDS, look=look)
    return thumbnail(overlay.image.crop((0, 0, *overlay.photo)), cell_side(look.tile))


def saved(
    cells: Sequence[Thumbnail], file: Path, *, side: int, title: str, words: Sequence[str]
) -> Strip:
    """The sheet of ``cells`` saved as ``file``.

    Args:
        cells: in their order.
        file: a JPEG.
        side: of a cell, px.
        title: what is told above it.
        words: each cell in words.
    """
    image, _ = contact_sheet(cells, side)
    image.save(file, quality=_QUALITY)
    return Strip(file.name, image.width, image.height, title, f"{title}: {'; '.join(words)}.")
