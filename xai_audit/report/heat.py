"""A heatmap laid over its photo, exactly where the model saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from xai_audit.report.palette import palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.vision.geometry import Geometry

# What the model never saw keeps this share of its brightness.
_DIM = 0.4


@dataclass(frozen=True)
class Sampling:
    """How the pixels drawn along one side sample a heatmap's side.

    Attributes:
        low: (pixels,) the cell before each pixel's centre.
        high: (pixels,) the cell behind it.
        share: (pixels,) float32, weight of ``high``; ``low`` has the rest.
        seen: the run of pixels inside the model's view.
    """

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]
    seen: slice


def sampling(
    pixels: int, to_view: tuple[float, float], *, photo: int, crop: int, grid: int
) -> Sampling:
    """How ``pixels`` drawn along one side of the whole photo sample a heatmap over the view.

    Pixel centres are half a pixel from their corners on both sides, and the grid's outermost
    half cells are extended outwards: ``F.interpolate(mode="bilinear", align_corners=False)``.

    Args:
        pixels: drawn along this side of the whole photo.
        to_view: where the photo's px 0 and px 1 land in the view.
        photo: the photo's side, px.
        crop: the view's side, px.
        grid: the heatmap's side, cells.
    """
    start, step = to_view[0], to_view[1] - to_view[0]
    at = start + step * (np.arange(pixels) + 0.5) * photo / pixels
    inside = np.flatnonzero((at >= 0) & (at < crop))
    # A crop is one rectangle, so the pixels seen are one run.
    seen = slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)
    cell = np.clip(at * grid / crop - 0.5, 0, grid - 1)
    low = np.floor(cell).astype(np.intp)
    return Sampling(low, np.minimum(low + 1, grid - 1), (cell - low).astype(np.float32), seen)


def upsampled(
    heatmap: NDArray[np.float32], down: Sampling, across: Sampling
) -> NDArray[np.floating]:
    """The heatmap (h, w) at the pixels seen, bilinear."""
    seen, share = down.seen, down.share[down.seen, None]
    rows = heatmap[down.low[seen]] * (1 - share) + heatmap[down.high[seen]] * share
    seen, share = across.seen, across.share[across.seen]
    return rows[:, across.low[seen]] * (1 - share) + rows[:, across.high[seen]] * share


def paint(
    photo: Image.Image, heatmap: NDArray[np.floating] | None, geometry: Geometry
) -> Image.Image:
    """``photo`` under its heatmap, what the model never saw dimmed.

    Args:
        photo: the whole photo in RGB, scaled to any size.
        heatmap: relevance (h, w) over the model's view, scaled here by its own maximum; None or
            no positive value leaves the photo as it is.
        geometry: of the photo as stored.
    """
    grid = (1, 1) if heatmap is None else heatmap.shape
    origin, unit = geometry.to_view(0, 0), geometry.to_view(1, 1)
    down, across = (
        sampling(
            pixels,
            (origin[side], unit[side]),
            photo=geometry.photo[side],
            crop=geometry.crop[side],
            grid=grid[side],
        )
        for side, pixels in enumerate((photo.height, photo.width))
    )
    box = (across.seen.start, down.seen.start, across.seen.stop, down.seen.stop)
    painted = photo.point([int(_DIM * value) for value in range(256)] * 3)
    painted.paste(photo.crop(box), box[:2])
    strength = _strength(heatmap)
    if strength is not None and box[0] < box[2] and box[1] < box[3]:
        level = np.round(255 * upsampled(strength, down, across)).astype(np.uint8)
        colour, opacity = palette()
        heat = Image.fromarray(level)
        shade = heat.point(opacity.tolist())
        heat.putpalette(colour.tobytes())
        painted.paste(heat.convert("RGB"), box[:2], shade)
    return painted


def _strength(heatmap: NDArray[np.floating] | None) -> NDArray[np.float32] | None:
    """Relevance as a share of its maximum, for display only; None where there is none."""
    if heatmap is None:
        return None
    relevance = np.nan_to_num(heatmap.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    most = relevance.max(initial=0.0)
    return np.clip(relevance / most, 0, 1) if most > 0 else None
