"""Contact sheets: many pictures on one, and where each lies on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from xai_audit.report.caption import PAPER, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.report.caption import Caption

COLUMNS = 6
_GAP = 8
_WORDS = 36


@dataclass(frozen=True)
class Thumbnail:
    """One cell of a contact sheet: the small photo and its words."""

    image: Image.Image
    caption: Caption
    measure: str


@dataclass(frozen=True)
class Cell:
    """Where a thumbnail lies on its sheet, in percent of the sheet's width and height."""

    left: float
    top: float
    width: float
    height: float


def cell_side(tile: int) -> int:
    """Side of a contact sheet's cell, px: six make a page's width at the usual ``tile``."""
    return max(96, round(tile * 0.6))


def thumbnail(picture: Image.Image, side: int) -> Image.Image:
    """``picture`` scaled to fit a square of ``side`` px."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def contact_sheet(cells: Sequence[Thumbnail], side: int) -> tuple[Image.Image, list[Cell]]:
    """The sheet, row by row in the given order, and each thumbnail's place on it."""
    across, down = side + _GAP, side + _WORDS + _GAP
    columns = min(COLUMNS, len(cells))
    width = columns * across + _GAP
    height = -(-len(cells) // columns) * down + _GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    places = []
    for i, cell in enumerate(cells):
        left, top = _GAP + i % columns * across, _GAP + i // columns * down
        # Centred, resting on the words.
        corner = (left + (side - cell.image.width) // 2, top + side - cell.image.height)
        sheet.paste(cell.image, corner)
        label(draw, cell.caption, cell.measure, (left, top + side + 5, side))
        box = (left, top, side, side + _WORDS)
        places.append(Cell(*(100 * px / (height if k % 2 else width) for k, px in enumerate(box))))
    return sheet, places
