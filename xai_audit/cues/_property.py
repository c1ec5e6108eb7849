"""What the cues share that are properties of the whole photo: no region, no mask needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Rec. 601, what JPEG's luma and PIL's grey are made of.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# With fewer background pixels than this the whole photo is read instead.
_FEWEST, _SMALLEST_SHARE = 64, 0.005


class PhotoProperty:
    """The parts of the ``Cue`` contract that do not apply to a property.

    Resolution, JPEG quality and aspect ratio are facts of the file, which no object has: they are
    changed on the whole photo, with a mask too, for no file is coarse around its object alone.

    Args:
        name: of the cue.
    """

    needs_mask = False

    def __init__(self, *, name: str) -> None:
        self.name = name

    def region(self, canvas: Canvas) -> torch.Tensor | None:  # noqa: ARG002 - the contract's signature
        """None: a property has no region."""
        return None

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: it can be raised and lowered; overridden where it can only be lowered."""
        return math.nan


def background(canvas: Canvas) -> NDArray[np.bool_]:
    """The pixels (h, w) that are surely not object; all of them without a mask or a background."""
    whole = np.ones(tuple(canvas.photo.shape[-2:]), dtype=bool)
    if canvas.object is None:
        return whole
    free: NDArray[np.bool_] = canvas.object.numpy() == 0
    enough = free.sum() >= max(_FEWEST, _SMALLEST_SHARE * free.size)
    return free if enough else whole


def luminance(photo: torch.Tensor) -> NDArray[np.float32]:
    """The photo's luma (h, w) float32, 0..255, on its coded (gamma) values."""
    pixels = photo.numpy()
    light: NDArray[np.float32] = np.multiply(pixels[0], LUMA[0], dtype=np.float32)
    light += pixels[1] * LUMA[1]
    light += pixels[2] * LUMA[2]
    return light


def as_photo(values: NDArray[np.float32]) -> torch.Tensor:
    """Float values (3, h, w) as a photo: rounded and clipped to uint8."""
    return torch.from_numpy(np.rint(values).clip(0, 255).astype(np.uint8))


def described(value: float, knots: Sequence[float]) -> list[float]:
    """The value (held within the knots by one span) and its share of each knot: 1 + len(knots).

    The shares are the hat functions of piecewise linear interpolation, so they sum to 1 and a
    linear classifier on them can also choose a middle range. The knots are fixed, never fitted.
    """
    span = knots[-1] - knots[0]
    held = min(max(value, knots[0] - span), knots[-1] + span)
    return [held, *(float(np.interp(held, knots, row)) for row in np.eye(len(knots)))]
