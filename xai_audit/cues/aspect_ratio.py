"""The aspect ratio of a photo, and letterbox or pillarbox bars."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.cues._property import PhotoProperty, described

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Levels within which a line counts as one colour; a JPEG's bars are not quite flat.
_FLAT = 12
# Shares of the side.
_WIDEST = 0.45
_THINNEST = 0.02
# Bars of a pair differ by no more than this share of the wider one, or 2 px.
_UNEVEN = 0.25
_KNOTS = (-0.8, -0.45, -0.25, -0.08, 0.08, 0.25, 0.45, 0.8)


@dataclass(frozen=True)
class _Bars:
    """Letterbox (top, bottom) or pillarbox (left, right) bars in px of the canvas."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)


class AspectRatio(PhotoProperty):
    """The stored photo's width over height, and letterbox or pillarbox bars.

    A frame on all four sides is no letterbox: it is the border cue's.

    Args:
        name: of the cue.
    """

    way = "both"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """(13,): log(width / height) piecewise-linear, and the bars' shares of a side."""
        aspect = math.log(canvas.record.width / canvas.record.height)
        return np.array([*described(aspect, _KNOTS), *_shares(canvas)], dtype=np.float32)

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The centre of the photo, without its bars, in the donor's aspect and with its bars.

        (3, h', w') uint8, usually another shape: the model's resize and crop are applied anew.
        """
        bars, theirs = _bars(canvas.photo), _bars(donor.photo)
        top, bottom, left, right = _shares(donor)
        inner = canvas.record.height / canvas.photo.shape[1]
        inner *= canvas.photo.shape[2] / canvas.record.width
        inner *= donor.record.width * (1 - left - right)
        inner /= donor.record.height * (1 - top - bottom)
        content = _centre(_without(canvas.photo, bars), inner)
        height = content.shape[1] / (1 - top - bottom)
        width = content.shape[2] / (1 - left - right)
        sides = [round(height * top), round(height * bottom)]
        sides += [round(width * left), round(width * right)]
        if sides == list(astuple(bars)[:4]) and _same_colour(bars, theirs):
            whole = content.shape == _without(canvas.photo, bars).shape
            return canvas.photo if whole else _with(content, sides, bars.colour)
        return _with(content, sides, theirs.colour)


def _same_colour(bars: _Bars, theirs: _Bars) -> bool:
    """Whether the bars have the same colour, to two levels."""
    return all(abs(a - b) <= 2 for a, b in zip(bars.colour, theirs.colour, strict=True))


def _shares(canvas: Canvas) -> tuple[float, float, float, float]:
    """Top, bottom, left and right bar as shares of the photo's height and width."""
    bars, (height, width) = _bars(canvas.photo), canvas.photo.shape[-2:]
    return bars.top / height, bars.bottom / height, bars.left / width, bars.right / width


def _without(photo: torch.Tensor, bars: _Bars) -> torch.Tensor:
    """The photo inside its bars."""
    _, height, width = photo.shape
    return photo[:, bars.top : height - bars.bottom, bars.left : width - bars.right]


def _with(
    content: torch.Tensor, sides: list[int], colour: tuple[float, float, float]
) -> torch.Tensor:
    """The content between bars of one colour; ``sides``: top, bottom, left, right in px."""
    top, bottom, left, right = sides
    _, height, width = content.shape
    painted = torch.tensor(colour).round().to(torch.uint8)[:, None, None]
    photo = painted.repeat(1, top + height + bottom, left + width + right)
    photo[:, top : top + height, left : left + width] = content
    return photo


def _centre(photo: torch.Tensor, aspect: float) -> torch.Tensor:
    """The largest centre crop with width / height = ``aspect``, at least 1 px."""
    _, height, width = photo.shape
    new_width = min(max(round(height * aspect), 1), width)
    new_height = min(max(round(width / aspect), 1), height)
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return photo[:, top : top + new_height, left : left + new_width]


def _bars(photo: torch.Tensor) -> _Bars:
    """The bars of a photo (3, h, w): a pair on opposite sides, none on the two others."""
    pixels = photo.numpy()
    (top, bottom, rows), (left, right, columns) = _pair(pixels), _pair(pixels.swapaxes(1, 2))
    if bool(top) == bool(left):
        return _Bars()
    return _Bars(top, bottom, left, right, rows if top else columns)


def _pair(pixels: NDArray[np.uint8]) -> tuple[int, int, tuple[float, float, float]]:
    """(first, last, colour) of the flat bands of rows of pixels (3, h, w); 0, 0 unless a pair."""
    none = (0, 0, (0.0, 0.0, 0.0))
    low, high = pixels.min(axis=2).astype(int), pixels.max(axis=2).astype(int)
    # All of a bar lies within _FLAT levels of its outermost line.
    first = _run(low, high)
    last = _run(low[:, ::-1], high[:, ::-1])
    narrow, wide = sorted((first, last))
    if not _THINNEST * pixels.shape[1] <= narrow <= wide <= _WIDEST * pixels.shape[1]:
        return none
    if wide - narrow > max(2, _UNEVEN * wide):
        return none
    ends = np.concatenate([pixels[:, :first], pixels[:, -last:]], axis=1)
    if np.ptp(ends, axis=(1, 2)).max() > 2 * _FLAT:
        return none
    red, green, blue = (float(mean) for mean in ends.mean(axis=(1, 2)))
    return first, last, (red, green, blue)


def _run(low: NDArray[np.int_], high: NDArray[np.int_]) -> int:
    """The number of lines from the first on in which all pixels are within _FLAT of each other."""
    spread = np.maximum.accumulate(high, axis=1) - np.minimum.accumulate(low, axis=1)
    flat: NDArray[np.bool_] = np.all(spread <= _FLAT, axis=0)
    return len(flat) if flat.all() else int(np.argmin(flat))
