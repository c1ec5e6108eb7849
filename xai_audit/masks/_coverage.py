"""Coverage (2, H, W) uint8 from label values, grey values or rectangles.

Channel 0 is object, channel 1 background, 255 is fully; a void pixel is 0 in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.errors import ConfigError, MaskProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

MISSING = "missing"
SIZE_MISMATCH = "size_mismatch"
EMPTY = "empty"
CORRUPT = "corrupt"
AMBIGUOUS = "ambiguous"

FULL = 255
_SHOWN_VALUES = 8


@dataclass(frozen=True)
class ValueRule:
    """The meaning of the values of a mask image.

    Attributes:
        object: the values that are object; None: 255, see :mod:`xai_audit.masks._meaning`.
        background: the values that are background, None for all others; what is left is void.
        soft: a value v is object coverage v and background coverage 255 - v; the lists are unused.
    """

    object: tuple[int, ...] | None
    background: tuple[int, ...] | None
    soft: bool = False

    def coverage(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Coverage (2, H, W) uint8 of integer values (H, W).

        Raises:
            MaskProblem: ``empty`` where no pixel is object, ``corrupt`` for soft values beyond 255.
        """
        if self.soft:
            return self._soft(values)
        objects = (FULL,) if self.object is None else self.object
        is_object = np.isin(values, objects)
        is_background = ~is_object if self.background is None else np.isin(values, self.background)
        if not is_object.any():
            hint = "; masks.object=[...] says which are object" if self.object is None else ""
            raise MaskProblem(
                EMPTY, f"no pixel has an object value {list(objects)}; {found(values)}{hint}"
            )
        return np.stack([is_object, is_background]).astype(np.uint8) * np.uint8(FULL)

    def _soft(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        if values.min() < 0 or values.max() > FULL:
            raise MaskProblem(CORRUPT, f"a soft mask has values 0..{FULL}; {found(values)}")
        if not values.any():
            raise MaskProblem(EMPTY, "every pixel of the soft mask is 0")
        covered = values.astype(np.uint8)
        return np.stack([covered, np.uint8(FULL) - covered])


def value_rule(
    object: Sequence[int] | None,
    background: Sequence[int] | None,
    *,
    soft: bool,
) -> ValueRule:
    """The rule of ``masks.object``, ``masks.background`` and ``masks.soft``.

    Raises:
        ConfigError: for a list that is empty or no integers, or a value in both lists.
    """
    objects = None if object is None else _values("masks.object", object)
    backgrounds = None if background is None else _values("masks.background", background)
    both = sorted(set(objects or ()) & set(backgrounds or ()))
    if both:
        raise ConfigError(
            "a mask value cannot be object and background",
            where="masks.object, masks.background",
            got=both,
            remedy="take it out of one of the lists",
        )
    return ValueRule(objects, backgrounds, soft=soft)


def _values(key: str, values: object) -> tuple[int, ...]:
    """The integers of one list of the configuration; ConfigError where they are none."""
    listed = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else None
    if not listed or any(isinstance(v, bool) or not isinstance(v, int) or v < 0 for v in listed):
        raise ConfigError(
            "not a list of mask values", where=key, expected="integers from 0, as [255]", got=values
        )
    return tuple(listed)


def found(values: NDArray[Any]) -> str:
    """The values of a mask, for a message."""
    listed = [int(value) for value in np.unique(values)]
    more = ", ..." if len(listed) > _SHOWN_VALUES else ""
    return f"values found: {', '.join(map(str, listed[:_SHOWN_VALUES]))}{more}"


def rectangles(
    boxes: NDArray[np.float64], height: int, width: int, *, names: str = "box"
) -> NDArray[np.uint8]:
    """Coverage (2, H, W) uint8 of the union of boxes (N, 4) x_min, y_min, x_max, y_max.

    Boxes are half-open, in continuous px of the photo, and clipped to it. Each pixel gets the
    exact area of the union inside it, rounded to 1/255: a fractional edge is soft, and two boxes
    that share a pixel are not counted twice.

    Raises:
        MaskProblem: ``corrupt`` for a box that is not finite or not wider and higher than 0,
            ``empty`` where the union lies outside the photo.
    """
    sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if not sound.all():
        worst = ", ".join(f"{number:g}" for number in boxes[~sound][0])
        raise MaskProblem(
            CORRUPT, f"{names} ({worst}): expected finite x_min < x_max and y_min < y_max"
        )
    x_low, x_high = (boxes[:, side].clip(0, width) for side in (0, 2))
    y_low, y_high = (boxes[:, side].clip(0, height) for side in (1, 3))
    # Between neighbouring box edges the union is all or nothing, so cells of that irregular grid
    # are marked first and their areas spread over the pixels they touch.
    x_edges, y_edges = np.unique([x_low, x_high]), np.unique([y_low, y_high])
    cells = np.zeros((len(y_edges) - 1, len(x_edges) - 1))
    for left, right, top, bottom in zip(x_low, x_high, y_low, y_high, strict=True):
        rows = slice(*np.searchsorted(y_edges, [top, bottom]))
        cells[rows, slice(*np.searchsorted(x_edges, [left, right]))] = 1
    share = _overlaps(y_edges, height) @ cells @ _overlaps(x_edges, width).T
    covered = np.rint(share.clip(0, 1) * FULL).astype(np.uint8)
    if not covered.any():
        raise MaskProblem(EMPTY, f"no {names} lies in the photo of {width} x {height} px")
    return np.stack([covered, np.uint8(FULL) - covered])


def _overlaps(edges: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Length (size, len(edges) - 1) of each interval between edges inside each pixel."""
    pixel = np.arange(size, dtype=np.float64)[:, None]
    inside = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return np.asarray(inside.clip(0), dtype=np.float64)


def same_size(height: int, width: int, image: ImageRecord, *, what: str) -> None:
    """Nothing; MaskProblem ``size_mismatch`` where the mask's size is not the photo's."""
    if (height, width) != (image.height, image.width):
        raise MaskProblem(
            SIZE_MISMATCH,
            f"{what} is for {width} x {height} px, the photo has "
            f"{image.width} x {image.height} (width x height)",
        )
