"""COCO segmentations (polygons, compressed and plain run lengths) as pixels.

pycocotools rasterises and joins them. Everything is checked before, since its C code trusts run
lengths and coordinates: for the malformed "1o" it reports an area of 4,294,966,815 pixels. The
check needs the lengths themselves, so compressed ones are unpacked here.
"""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Three points; pycocotools takes four numbers for a box.
_MIN_NUMBERS = 6
_MAX_BITS = 60
# px from the photo; beyond it the crossing of an edge with the photo's could overflow.
_FARTHEST = 1e12


def pycocotools_mask() -> Any:  # noqa: ANN401 - an optional package without type stubs
    """The module ``pycocotools.mask``; ConfigError where it is not installed."""
    try:
        return importlib.import_module("pycocotools.mask")
    except ImportError as exc:
        raise ConfigError(
            "masks=coco needs a package that is not installed",
            where="pycocotools",
            got=str(exc),
            remedy='pip install "xai-audit[coco]"',
        ) from exc


def union(segmentations: Sequence[object], height: int, width: int) -> NDArray[np.bool_]:
    """The pixels (H, W) that lie in any of the segmentations.

    Raises:
        ValueError: for one that is malformed or made for another size.
    """
    coder = pycocotools_mask()
    runs: list[Any] = []
    for segmentation in segmentations:
        if isinstance(segmentation, dict):
            size, counts = segmentation.get("size"), segmentation.get("counts")
            if size != [height, width]:
                raise ValueError(f"run lengths for size {size}, expected {[height, width]}")
            plain = {"size": size, "counts": _counts(counts, height * width)}
            runs.append(coder.frPyObjects(plain, height, width))
        else:
            polygons = _polygons(segmentation, height, width)
            runs += coder.frPyObjects(polygons, height, width) if polygons else []
    if not runs:
        return np.zeros((height, width), dtype=np.bool_)
    # Not its decode: with NumPy 2 that warns of a deprecated array conversion (pycocotools 2.0.11).
    lengths = _unpacked(coder.merge(runs)["counts"].decode())
    covered = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    # Run lengths go down the columns.
    return covered.reshape(width, height).T


def _polygons(segmentation: object, height: int, width: int) -> list[list[float]]:
    """The polygons x1, y1, x2, y2, ... that have an area, as far as they are near the photo."""
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("an annotation has neither a segmentation nor a bbox")
    reach = max(height, width)
    polygons = []
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) % 2 or not all(map(_real, polygon)):
            raise ValueError("a polygon is not a list of pairs of finite numbers")
        corners = [float(number) for number in polygon]
        # The rasteriser walks every edge pixel by pixel, however far it leads.
        if corners and (min(corners) < -reach or max(corners) > 2 * reach):
            corners = clipped(corners, -reach, 2 * reach)
        # A point or a line covers nothing.
        if len(corners) >= _MIN_NUMBERS:
            polygons.append(corners)
    return polygons


def clipped(polygon: list[float], low: float, high: float) -> list[float]:
    """The part of a polygon x1, y1, x2, y2, ... whose x and y lie in ``low`` .. ``high``.

    Source: Sutherland & Hodgman, Reentrant Polygon Clipping, CACM 17 (1974).
    """
    points = np.clip(np.reshape(polygon, (-1, 2)), -_FARTHEST, _FARTHEST)
    for axis in (0, 1):
        for limit, side in ((low, 1.0), (high, -1.0)):
            kept = []
            for start, stop in zip(np.roll(points, 1, axis=0), points, strict=True):
                before, after = side * (start[axis] - limit), side * (stop[axis] - limit)
                if (before < 0) != (after < 0):
                    kept.append(start + (stop - start) * before / (before - after))
                if after >= 0:
                    kept.append(stop)
            points = np.reshape(kept, (-1, 2))
    return [float(number) for number in points.ravel()]


def _real(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)


def _counts(counts: object, pixels: int) -> list[int]:
    """The run lengths, background first, that add up to the number of pixels."""
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    if (
        not isinstance(runs, list)
        or not all(type(run) is int and run >= 0 for run in runs)
        or sum(runs) != pixels
    ):
        raise ValueError(f"run lengths do not add up to the {pixels} pixels of the photo")
    return runs


def _unpacked(text: str) -> list[int]:
    """The run lengths of COCO's compressed form.

    A character from ``0`` on is six bits: five of a number in two's complement, lowest first, and
    a sixth that says that more follow. From the fourth on a number is the difference to the run
    two before it.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - ord("0")
        if not 0 <= bits < 64 or shift > _MAX_BITS:
            raise ValueError("compressed run lengths are malformed")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
        value = shift = 0
    if shift:
        raise ValueError("compressed run lengths end inside a number")
    return runs
