"""A stamp of the user's, put on photos to test a suspicion."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from xai_audit.cues._strips import blended
from xai_audit.errors import ConfigError, ImageProblem
from xai_audit.run.sample import hash_order
from xai_audit.vision.header import identify, translated
from xai_audit.vision.opening import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Canvas

_PLACES = {
    "top_left": (0.0, 0.0),
    "top_right": (0.0, 1.0),
    "bottom_left": (1.0, 0.0),
    "bottom_right": (1.0, 1.0),
    "centre": (0.5, 0.5),
}
# Text is drawn at this size and scaled to the photo; px.
_LETTER = 64
# Pixels of a stamp's image.
_MOST = 10**8


class Stamp:
    """A ruler, an ink mark, a watermark text: does its presence change the decision?

    With a donor of another class the photo gets the stamp, with one of the same class the stamp's
    own pixels in random order; with itself as donor it stays as it is.

    Args:
        name: of the cue.
        image: file of the stamp, its alpha kept; None: ``text`` is drawn.
        where: a corner, ``centre``, or the stamp's centre [y, x] as shares of the photo; it is
            moved inside where it would reach past the edge.
        size: of its longer side, as a share of the stored photo's shorter side.
        opacity: 0 to 1, times the image's alpha.
        text: to be drawn; not used where there is an image.

    Raises:
        ConfigError: for neither image nor text, an unreadable file or an odd place or number.
    """

    way = "added"
    needs_mask = False

    def __init__(
        self,
        *,
        name: str,
        image: str | None,
        where: str | Sequence[float],
        size: float,
        opacity: float,
        text: str | None,
    ) -> None:
        for key, value in (("size", size), ("opacity", opacity)):
            if not 0 < value <= 1:
                raise ConfigError(
                    "bad value", where=f"stamp.{key}", expected="above 0, up to 1", got=value
                )
        self.name = name
        self._size, self._opacity = size, opacity
        self._place = _place(where)
        self._stamp = _stamp(image, text)

    def fingerprint(self) -> str:
        """A hash of the stamp's pixels: its file may have been drawn anew."""
        return hashlib.sha256(self._stamp.tobytes()).hexdigest()

    def region(self, canvas: Canvas) -> torch.Tensor:
        """The stamp's alpha (h, w) float32 where it is put."""
        return self._put(canvas, self._fitted(canvas))[1]

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:  # noqa: ARG002
        """None: a stamp is not in the data."""
        return None

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: a stamp has no level."""
        return math.nan

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo with the stamp; its scrambled twin or nothing, see the class."""
        if donor.record.image_id == canvas.record.image_id:
            return canvas.photo
        stamp = self._fitted(canvas)
        if donor.record.class_name == canvas.record.class_name:
            ids = (canvas.record.image_id, donor.record.image_id)
            stamp = scrambled(stamp, hash_order(0, *ids))
        colours, alpha = self._put(canvas, stamp)
        return blended(canvas.photo, colours, alpha)

    def _fitted(self, canvas: Canvas) -> NDArray[np.uint8]:
        """The stamp (h, w, 4) uint8 as large as it is on the canvas."""
        stored = (canvas.record.height, canvas.record.width)
        scale = self._size * min(stored) / max(self._stamp.size)
        height, width = (
            min(max(round(side * scale * on / of), 1), on)
            for side, on, of in zip(
                reversed(self._stamp.size), canvas.photo.shape[1:], stored, strict=True
            )
        )
        # PIL weighs colours by alpha as it resizes, so that a clear pixel's colour does not bleed.
        return np.asarray(self._stamp.resize((width, height), Image.Resampling.BILINEAR))

    def _put(self, canvas: Canvas, stamp: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        """Colours (3, h, w) and alpha (h, w), float32, over the whole canvas."""
        height, width = canvas.photo.shape[1:]
        top, left = (
            min(max(round(share * side - length / 2), 0), side - length)
            for share, side, length in zip(
                self._place, (height, width), stamp.shape[:2], strict=True
            )
        )
        planes = torch.zeros(4, height, width)
        bottom, right = top + stamp.shape[0], left + stamp.shape[1]
        planes[:, top:bottom, left:right] = torch.from_numpy(stamp.copy()).permute(2, 0, 1).float()
        return planes[:3], planes[3] / 255 * self._opacity


def scrambled(stamp: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """``stamp`` (h, w, 4) with its tiles in another order; what no whole tile holds, its pixels.

    A tile is a quarter of the shorter side: letters and outlines are gone, colours and alpha stay.
    """
    rng = np.random.default_rng(seed)
    height, width = stamp.shape[:2]
    tile = max(min(height, width) // 4, 1)
    rows, columns = height // tile, width // tile
    out = stamp.copy()
    core = out[: rows * tile, : columns * tile]
    tiles = core.reshape(rows, tile, columns, tile, 4).swapaxes(1, 2).reshape(-1, tile, tile, 4)
    tiles = rng.permutation(tiles).reshape(rows, columns, tile, tile, 4).swapaxes(1, 2)
    out[: rows * tile, : columns * tile] = tiles.reshape(core.shape)
    rest = np.ones((height, width), bool)
    rest[: rows * tile, : columns * tile] = False
    out[rest] = rng.permutation(out[rest])
    return out


def _place(where: str | Sequence[float]) -> tuple[float, float]:
    """The stamp's centre (y, x) as shares of the photo."""
    place = _PLACES.get(where) if isinstance(where, str) else None
    # The node takes anything, so what is neither a name nor a list gets here, too.
    if isinstance(where, list | tuple):
        numbers = [float(v) for v in where if isinstance(v, int | float)]
        fits = len(where) == len(numbers) == 2 and all(0 <= v <= 1 for v in numbers)
        place = (numbers[0], numbers[1]) if fits else None
    if place is None:
        raise ConfigError(
            "unknown place",
            where="stamp.where",
            expected=f"one of {', '.join(_PLACES)}, or [y, x] from 0 to 1",
            got=where,
        )
    return place


def _stamp(image: str | None, text: str | None) -> Image.Image:
    """The stamp as RGBA."""
    if image is not None:
        try:
            with opened(image) as file, translated():
                return identify(file.stream, image, max_pixels=_MOST).convert("RGBA")
        except ImageProblem as problem:
            raise ConfigError(
                "cannot read the stamp",
                where=f"stamp.image={image}",
                expected="an image, PNG with alpha for a shape of its own",
                got=problem.message,
            ) from problem
    if text is None or not text.strip():
        raise ConfigError(
            "nothing to put on",
            where="stamp",
            remedy="stamp.image=FILE or stamp.text=TEXT, or leave stamp out of cues",
        )
    return _written(text)


def _written(text: str) -> Image.Image:
    """``text`` in white with a dark outline on nothing, cut to its box."""
    font = ImageFont.load_default(size=_LETTER)
    stroke = _LETTER // 16
    draw = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font, stroke_width=stroke)
    size = (math.ceil(right - left), math.ceil(bottom - top))
    stamp = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(stamp).multiline_text(
        (-left, -top), text, "white", font, stroke_width=stroke, stroke_fill=(0, 0, 0, 255)
    )
    return stamp
