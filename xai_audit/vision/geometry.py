"""The position of a photo's pixels in the model's view, and of its border and corners.

Everything that must agree with the image (object masks, border bands, overlays in the report)
is placed by the same :class:`Geometry`, which depends on the photo's stored size alone.

The border is a band along all four edges, a corner a square; their depth is a share of the shorter
side of the photo as stored. Each is a product of intervals along rows and along columns, so
:func:`within` and :func:`at_end` define them for any raster: photo, view, canvas or drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Preprocess

    Interval = tuple[float, float]

_Px = TypeVar("_Px", int, float)

# Whether a corner is at the far end of the rows, and of the columns.
CORNERS = {
    "top_left": (False, False),
    "top_right": (False, True),
    "bottom_left": (True, False),
    "bottom_right": (True, True),
}


def depths(photo: tuple[int, int], raster: tuple[int, int], share: float) -> tuple[float, float]:
    """The depth of a band or corner along rows and along columns of ``raster``, px.

    Args:
        photo: (height, width) as stored.
        raster: (height, width) that the whole photo is resized to, its aspect ratio kept or not.
        share: of the photo's shorter side.
    """
    length = share * min(photo)
    return length * raster[0] / photo[0], length * raster[1] / photo[1]


def within(side: _Px, depth: _Px) -> tuple[_Px, _Px]:
    """(start, stop) of what a border ``depth`` deep leaves of ``side``; stop < start if nothing."""
    return depth, side - depth


def at_end(side: _Px, length: _Px, *, far: bool) -> tuple[_Px, _Px]:
    """(start, stop) of a corner's square along ``side``, at its far end or its near one."""
    return (side - length, side) if far else (0, length)


def covered(
    pixels: int, intervals: Sequence[Interval] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """The share (n, pixels) of each of ``pixels`` along a line in each (start, stop) px, 0..1.

    0 everywhere for an interval that stops before it starts.
    """
    edges = np.asarray(intervals, dtype=np.float64)
    first = np.arange(pixels)
    inside = np.minimum(first + 1, edges[:, 1:]) - np.maximum(first, edges[:, :1])
    return inside.clip(min=0)


@dataclass(frozen=True)
class Geometry:
    """A resize of the whole photo, then a crop that may be larger than it (padded with black).

    Attributes:
        photo: (height, width) as stored, after EXIF orientation, px.
        resized: (height, width) of the whole photo after the resize, px.
        top: of the crop in the resized photo, px; negative where the crop is larger.
        left: of the crop in the resized photo, px.
        crop: (height, width) of the model's view, px.
    """

    photo: tuple[int, int]
    resized: tuple[int, int]
    top: int
    left: int
    crop: tuple[int, int]

    def to_view(self, y: float, x: float) -> tuple[float, float]:
        """A point of the photo (px, from its top left corner) in px of the view."""
        return (
            y * self.resized[0] / self.photo[0] - self.top,
            x * self.resized[1] / self.photo[1] - self.left,
        )

    def overlaps(self, axis: int, intervals: Sequence[Interval]) -> NDArray[np.float64]:
        """The share (n, side) of each view pixel along ``axis`` in each interval, 0..1.

        Args:
            axis: 0 for rows, 1 for columns.
            intervals: (start, stop) in px of the photo.
        """
        scale = self.resized[axis] / self.photo[axis]
        edges = np.array(intervals) * scale - (self.top, self.left)[axis]
        return covered(self.crop[axis], edges)


def view(photo: tuple[int, int], preprocess: Preprocess) -> Geometry:
    """The geometry that torchvision's Resize and CenterCrop give a photo (height, width)."""
    height, width = photo
    if preprocess.resize is None:
        resized = photo
    elif isinstance(preprocess.resize, int):
        short, long = min(photo), max(photo)
        side, other = preprocess.resize, int(preprocess.resize * long / short)
        resized = (side, other) if height <= width else (other, side)
    else:
        resized = preprocess.resize
    return Geometry(
        photo=photo,
        resized=resized,
        top=_offset(resized[0], preprocess.crop[0]),
        left=_offset(resized[1], preprocess.crop[1]),
        crop=preprocess.crop,
    )


def border_seen(geometry: Geometry, border: float) -> float:
    """Share of the photo's border band that lies in the view, 0..1; NaN without a band.

    Args:
        geometry: of the photo.
        border: width of the band, as a share of the photo's shorter side.
    """
    band = border * min(geometry.photo)
    whole, inner, stored, stored_inner = 1.0, 1.0, 1.0, 1.0
    for axis, side in enumerate(geometry.photo):
        seen = geometry.overlaps(axis, [(0, side), within(side, band)]).sum(1)
        seen *= side / geometry.resized[axis]
        whole, inner = whole * seen[0], inner * seen[1]
        stored, stored_inner = stored * side, stored_inner * max(side - 2 * band, 0)
    return (whole - inner) / (stored - stored_inner) if stored > stored_inner else float("nan")


def _offset(side: int, crop: int) -> int:
    """The start of a centre crop; torchvision rounds half to even and floors the padding."""
    return -((crop - side) // 2) if crop > side else round((side - crop) / 2)
