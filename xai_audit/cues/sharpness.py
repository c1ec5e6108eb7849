"""How sharp a photo is: the blur that its spectrum tells of."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageFilter

from xai_audit.cues.photo_stats import LUMA, as_photo, background, described, luminance
from xai_audit.cues.property import PhotoProperty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Cycles a px. Below the first the window and the composition show, not the sharpness.
_EDGES = np.linspace(0.03, 0.5, 25)
_MIDDLES = (_EDGES[1:] + _EDGES[:-1]) / 2
# Power of natural photos falls as f^-2 to f^-3 (Field 1987; Torralba and Oliva 2003).
_FALL = 2.5
# Power of the luma's rounding error; bins that do not clear it say nothing.
_ROUNDING = float((LUMA.astype(np.float64) ** 2).sum()) / 12
_CLEAR = 3.0
_FEWEST_BINS = 4
_EDGE_SHARE = 0.25
# Twice this (radius in px) softens the background's edge before it is a window.
_BOX = ImageFilter.BoxBlur(6)
_SMALLEST_SHARE = 0.02
_LARGEST = 12.0
_KNOTS = (0.0, 0.3, 0.6, 0.9, 1.3, 1.8, 2.5, 4.0)


class Sharpness(PhotoProperty):
    """The blur's sigma in px of the canvas, told from the fall of the luma's power spectrum.

    A Gaussian of sigma s multiplies the power at f by exp(-4 pi^2 s^2 f^2), so in the log of the
    power, freed of the photo's own fall, s^2 is the slope over f^2. Hence variances add, and the
    blur that separates two photos is the difference of theirs.

    Args:
        name: of the cue.
    """

    way = "down"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """The background's blur in px, with its hats: (9,)."""
        light = luminance(canvas.photo)
        seen = _window(light.shape) * _free(canvas)
        if seen.sum() < _SMALLEST_SHARE * seen.size:
            seen = _window(light.shape)
        return np.array(described(_px(_blur(light, seen)), _KNOTS), dtype=np.float32)

    def level(self, canvas: Canvas) -> float:
        """Minus the whole photo's blur in px; above 0 where it looks sharpened."""
        return -_px(_whole(canvas))

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo blurred to the donor's sharpness; unchanged where the donor is as sharp."""
        variance = _whole(donor) - _whole(canvas)
        return _blurred(canvas.photo, math.sqrt(variance)) if variance > 0 else canvas.photo


def _px(variance: float) -> float:
    """A signed variance in px^2 as a signed px."""
    return math.copysign(math.sqrt(abs(variance)), variance)


def _whole(canvas: Canvas) -> float:
    """The blur of the whole photo, object and all, as a signed variance in px^2."""
    light = luminance(canvas.photo)
    return _blur(light, _window(light.shape))


def _blur(light: NDArray[np.float32], window: NDArray[np.float32]) -> float:
    """The blur within the window as a signed variance in px^2; 0 where there is nothing to see."""
    energy = float((window.astype(np.float64) ** 2).sum())
    total = float(window.sum(dtype=np.float64))
    if energy <= 0 or total <= 0:
        return 0.0
    mean = float((light * window).sum(dtype=np.float64)) / total
    spectrum = torch.fft.rfft2(torch.from_numpy((light - np.float32(mean)) * window)).numpy()
    power = spectrum.real**2 + spectrum.imag**2
    where, counts = _bins(light.shape)
    sums = np.bincount(where, power.ravel(), len(_EDGES) + 1)[1:-1]
    radial = sums / np.maximum(counts, 1) / energy
    clear = (counts > 0) & (radial > _CLEAR * _ROUNDING)
    if clear.sum() < _FEWEST_BINS:
        # Nothing fine is left at all: the strongest blur, unless there was never anything.
        return _LARGEST**2 if clear.any() else 0.0
    middles = _MIDDLES[clear]
    freed = np.log(radial[clear] - _ROUNDING) + _FALL * np.log(middles)
    slope = float(np.polyfit(middles**2, freed, 1)[0])
    return min(max(-slope / (4 * math.pi**2), -(_LARGEST**2)), _LARGEST**2)


@lru_cache(maxsize=32)
def _bins(shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The radial bin of each frequency of ``rfft2``, flat, 0 and the last outside; bins' sizes."""
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    where = np.digitize(radius.ravel(), _EDGES)
    counts = np.bincount(where, minlength=len(_EDGES) + 1)[1:-1]
    return where, counts.astype(np.float64)


@lru_cache(maxsize=32)
def _window(shape: tuple[int, int]) -> NDArray[np.float32]:
    """A Tukey window (h, w): 1 inside, falling to 0 at the photo's edges, which the FFT joins."""
    sides = []
    for side in shape:
        place = np.arange(side) + 0.5
        share = np.minimum(place, side - place) / (_EDGE_SHARE * side)
        sides.append(np.sin(share.clip(max=1) * math.pi / 2) ** 2)
    window: NDArray[np.float32] = np.outer(*sides).astype(np.float32)
    return window


def _free(canvas: Canvas) -> NDArray[np.float32]:
    """The background (h, w), soft inwards so that the object's outline adds nothing fine."""
    free = Image.fromarray(background(canvas).astype(np.uint8) * 255)
    spread = np.asarray(free.filter(_BOX).filter(_BOX), dtype=np.float32)
    return (spread * np.float32(2 / 255) - 1).clip(min=0)


def _blurred(photo: torch.Tensor, sigma: float) -> torch.Tensor:
    """The photo (3, h, w) uint8 under a Gaussian of ``sigma`` px, its edges continued."""
    down, across = (_gaussian(side, sigma) for side in photo.shape[1:])
    return as_photo((down @ photo.float() @ across.T).numpy())


def _gaussian(side: int, sigma: float) -> torch.Tensor:
    """The blur of one axis as a matrix (side, side): as products, faster than a convolution."""
    half = max(math.ceil(3.5 * sigma), 1)
    offsets = torch.arange(-half, half + 1)
    kernel = torch.exp(-(offsets.float() ** 2) / (2 * sigma**2))
    sources = (torch.arange(side)[:, None] + offsets).clamp(0, side - 1)
    weights = (kernel / kernel.sum()).expand(side, -1)
    return torch.zeros(side, side).scatter_add_(1, sources, weights)
