"""One photo drawn for people: under its heatmap, with the object and the border band outlined."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from xai_audit.errors import ImageProblem
from xai_audit.report.heat import paint
from xai_audit.vision.decode import decode
from xai_audit.vision.geometry import view, within
from xai_audit.vision.header import identify, orientation
from xai_audit.vision.header import size as stored_size
from xai_audit.vision.opening import opened

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.types import Preprocess
    from xai_audit.vision.opening import Opener

log = logging.getLogger(__name__)

_LIGHT, _DARK = (250, 250, 250), (20, 20, 20)
# Long panoramas are scaled down further: the longer side is at most this many tiles.
_LONGEST = 3
_DASH = 6
# Share of the photo's own colours that stays: a yellow flower must not read as heat.
_COLOURS = 0.45
# Pixels; the manifest has judged the photo's size before. Pillow's own limit of an error.
_MOST = 2 * 89_478_485


@dataclass(frozen=True)
class Look:
    """The settings that all overlays of a report share.

    Attributes:
        preprocess: places the model's view.
        border: width of the border band as a share of the photo's shorter side, or None.
        tile: shorter side of the photo as drawn, px.
    """

    preprocess: Preprocess
    border: float | None
    tile: int


def drawn_size(width: int, height: int, tile: int) -> tuple[int, int]:
    """(width, height) in px of a photo as drawn; a square tile where its size is unknown (0)."""
    if not width or not height:
        return tile, tile
    scale = min(tile / min(width, height), _LONGEST * tile / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw(
    path: Path | None,
    heatmap: NDArray[np.floating] | None,
    *,
    look: Look,
    mask: NDArray[np.generic] | None = None,
    opener: Opener | None = None,
    size: int = 0,
) -> Image.Image | None:
    """The overlay of one photo, None where the photo cannot be read.

    Args:
        path: of the photo, None where unknown.
        heatmap: relevance (h, w) over the model's view, or None.
        look: shared by all overlays.
        mask: the object (H, W) in the photo, bool or uint8, or None.
        opener: the dataset's, which reads its photos; None for local files.
        size: of the photo's file when it was indexed, bytes; 0 where unknown.
    """
    found = None if path is None else open_photo(path, look.tile, opener, size=size)
    if found is None:
        return None
    photo, stored = found
    muted = ImageEnhance.Color(photo).enhance(_COLOURS)
    drawn = np.array(paint(muted, heatmap, view(stored, look.preprocess)))
    if look.border is not None:
        _outline_border(drawn, look.border)
    if mask is not None:
        outline_mask(drawn, mask)
    return Image.fromarray(drawn)


def open_photo(
    path: Path, tile: int, opener: Opener | None = None, *, size: int = 0
) -> tuple[Image.Image, tuple[int, int]] | None:
    """The photo scaled for drawing, and its stored (height, width); None if unreadable.

    Its pixels are those that the model gets (:func:`xai_audit.vision.decode.decode`). One that has
    not the ``size`` in bytes with which it was indexed (0: unknown) is another photo, and not
    drawn; its time of change may differ where the dataset was moved.
    """
    try:
        with opened(str(path), opener) as file:
            file.check_unchanged((size or None, None))
            image = identify(file.stream, str(path), max_pixels=_MOST)
            height, width = stored_size(image, orientation(image))
        scaled = drawn_size(width, height, tile)
        # A JPEG decodes straight to an eighth, a quarter or a half of its size, never below.
        half = (min(scaled) + 1) // 2
        pixels = decode(str(path), shorter_side=half, max_pixels=_MOST, opener=opener)
    except ImageProblem as problem:
        log.warning("cannot draw %s: %s", path, problem.message)
        return None
    photo = Image.fromarray(pixels).resize(scaled, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return photo, (height, width)


def _outline_border(drawn: NDArray[np.uint8], border: float) -> None:
    """Dash the inner edge of the border band into ``drawn``, in place."""
    height, width = drawn.shape[:2]
    inset = round(border * min(height, width))
    if not 0 < 2 * inset < min(height, width):
        return
    (top, below), (left, beside) = within(height, inset), within(width, inset)
    bottom, right = below - 1, beside - 1
    across = np.where((np.arange(left, right + 1) // _DASH % 2 == 0)[:, None], _LIGHT, _DARK)
    down = np.where((np.arange(top, bottom + 1) // _DASH % 2 == 0)[:, None], _LIGHT, _DARK)
    drawn[top, left : right + 1] = drawn[bottom, left : right + 1] = across
    drawn[top : bottom + 1, left] = drawn[top : bottom + 1, right] = down


def outline_mask(drawn: NDArray[np.uint8], mask: NDArray[np.generic]) -> None:
    """Trace the object's edge into ``drawn``, in place: light inside, dark outside."""
    height, width = drawn.shape[:2]
    # For 0/1, bool and 0..255 coverage: inside is more than half of the maximum.
    coverage = np.asarray(mask, np.uint8)
    inside = coverage > coverage.max(initial=0) / 2
    whole = Image.fromarray(inside.astype(np.uint8) * 255)
    small = whole.resize((width, height), Image.Resampling.BOX)
    # Human masks hold stray pixels far from the object; a median leaves what has an inside.
    obj = np.asarray(small.filter(ImageFilter.MedianFilter(5))) > 127
    drawn[_touches(obj) & ~obj] = _DARK
    drawn[_touches(~obj) & obj] = _LIGHT


def _touches(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels (H, W) with a pixel of ``region`` above, below, left or right."""
    padded = np.pad(region, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
