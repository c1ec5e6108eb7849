"""Twenty stamps, drawn here: rulers, texts, discs, stripes, of several sizes and places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable

_SIDE = 240
_CLEAR = (0, 0, 0, 0)
_YELLOW, _BLUE, _RED, _WHITE, _DARK = (
    (250, 220, 40), (20, 60, 200), (200, 30, 40), (250, 250, 240), (20, 20, 20),
)  # fmt: skip


@dataclass(frozen=True)
class Stamp:
    """Something to be put on photos.

    Attributes:
        name: of the cue.
        look: draws it, with alpha.
        where: its centre (y, x) as shares of the photo; moved inside where it reaches past an edge.
        size: of its longer side, as a share of the photo's shorter side.
        opacity: times its alpha.
    """

    name: str
    look: Callable[[], Image.Image]
    where: tuple[float, float]
    size: float
    opacity: float = 1.0


def _ruler(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGBA", (480, 72), colour)
    draw = ImageDraw.Draw(image)
    for place, x in enumerate(range(6, 480, 13)):
        draw.line((x, 0, x, 36 if place % 5 == 0 else 18), fill=_DARK, width=3)
    return image


def _text(words: str, colour: tuple[int, int, int] = _WHITE) -> Image.Image:
    font = ImageFont.load_default(size=60)
    box = ImageDraw.Draw(Image.new("RGBA", (1, 1))).textbbox((0, 0), words, font=font)
    image = Image.new("RGBA", (int(box[2] - box[0]) + 6, int(box[3] - box[1]) + 6), _CLEAR)
    draw = ImageDraw.Draw(image)
    draw.text((4 - box[0], 4 - box[1]), words, fill=_DARK, font=font)
    draw.text((-box[0], -box[1]), words, fill=colour, font=font)
    return image


def _disc(fill: tuple[int, int, int], ring: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGBA", (_SIDE, _SIDE), _CLEAR)
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, _SIDE - 1, _SIDE - 1), fill=ring)
    inner = int(0.2 * _SIDE)
    draw.ellipse((inner, inner, _SIDE - inner, _SIDE - inner), fill=fill)
    return image


def _pattern(draw: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Image.Image:
    """Red where ``draw`` of y and x says so, else white."""
    chosen = draw(*np.mgrid[:_SIDE, :_SIDE])
    pixels = np.where(chosen[..., None], (*_RED, 255), (*_WHITE, 255))
    return Image.fromarray(pixels.astype(np.uint8))


def _stripes(width: int) -> Image.Image:
    return _pattern(lambda y, x: (x + y) // width % 2 == 0)


def _checker() -> Image.Image:
    return _pattern(lambda y, x: (x // 30 + y // 30) % 2 == 0)


def _frame() -> Image.Image:
    image = Image.new("RGBA", (_SIDE, _SIDE), _CLEAR)
    ImageDraw.Draw(image).rectangle((0, 0, _SIDE - 1, _SIDE - 1), outline=(28, 44, 110), width=18)
    return image


def _arrow() -> Image.Image:
    image = Image.new("RGBA", (_SIDE, _SIDE // 2), _CLEAR)
    tip = [(239, 60), (150, 0), (150, 40), (0, 40), (0, 80), (150, 80), (150, 119)]
    ImageDraw.Draw(image).polygon(tip, fill=_RED)
    return image


_TOP_LEFT, _TOP_RIGHT, _BOTTOM_LEFT, _BOTTOM_RIGHT = (0, 0), (0, 1), (1, 0), (1, 1)
_CENTRE, _BOTTOM = (0.5, 0.5), (1, 0.5)
# The texts and the sticker that some of the models have learned are among them, elsewhere too.
_BANK, _STICKER = partial(_text, "PHOTO\nBANK"), partial(_disc, _BLUE, _YELLOW)
STAMPS = (
    Stamp("ruler_bottom", partial(_ruler, (240, 235, 215)), _BOTTOM, 0.8),
    Stamp("ruler_small", partial(_ruler, (240, 235, 215)), _BOTTOM_LEFT, 0.3),
    Stamp("ruler_faint", partial(_ruler, _YELLOW), _TOP_RIGHT, 0.5, 0.5),
    Stamp("text_bank", _BANK, _BOTTOM_RIGHT, 0.22),
    Stamp("text_bank_elsewhere", _BANK, _TOP_LEFT, 0.22),
    Stamp("text_bank_faint", _BANK, _BOTTOM_RIGHT, 0.22, 0.4),
    Stamp("text_scale", partial(_text, "SCALE 1:10"), _CENTRE, 0.5),
    Stamp("text_red", partial(_text, "CONFIDENTIAL", _RED), _BOTTOM, 0.6, 0.7),
    Stamp("disc_sticker", _STICKER, (0.2, 0.2), 0.16),
    Stamp("disc_sticker_large", _STICKER, _BOTTOM_RIGHT, 0.3),
    Stamp("disc_sticker_faint", _STICKER, (0.8, 0.3), 0.16, 0.4),
    Stamp("disc_sticker_small", _STICKER, (0.75, 0.75), 0.12),
    Stamp("disc_red", partial(_disc, _RED, _RED), _TOP_RIGHT, 0.2),
    Stamp("disc_dot", partial(_disc, _WHITE, _DARK), (0.1, 0.5), 0.04),
    Stamp("stripes_wide", partial(_stripes, 40), _BOTTOM_LEFT, 0.4),
    Stamp("stripes_fine", partial(_stripes, 12), _TOP_RIGHT, 0.2, 0.8),
    Stamp("checker", _checker, _BOTTOM_RIGHT, 0.25),
    Stamp("frame", _frame, _CENTRE, 1.0),
    Stamp("arrow", _arrow, (0.3, 0.7), 0.3),
    Stamp("text_bank_large", _BANK, _BOTTOM_RIGHT, 0.35),
)
