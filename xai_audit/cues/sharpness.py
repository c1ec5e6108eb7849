"""The sharpness of a photo, by the blur that its spectrum shows."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy.signal.windows import tukey

from xai_audit.cues._property import LUMA, as_photo, background, described, luminance
from xai_audit.cues._strips import blended, check_size
from xai_audit.cues._surroundings import ObjectProperty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Cycles a px. Below the first the window and the composition show, not the sharpness.
_EDGES = np.linspace(0.03, 0.5, 25)
_MIDDLES = (_EDGES[1:] + _EDGES[:-1]) / 2
# Power of natural photos falls as f^-2 to f^-3 (Field 1987; Torralba and Oliva 2003).
_FALL = 2.5
# Power of the luma's rounding error: no photo has less noise.
_ROUNDING = float((LUMA.astype(np.float64) ** 2).sum()) / 12
_FEWEST_BINS = 4
_EDGE_SHARE = 0.25
# Twice this (radius in px) softens the background's edge before it is a window.
_BOX = ImageFilter.BoxBlur(6)
_SMALLEST_SHARE = 0.02
# Variances that are tried, px^2; below 0 for a photo that was sharpened.
_TRIED = np.concatenate(
    [np.linspace(-1, 2, 121), np.linspace(2.1, 6, 40), np.geomspace(6.2, 144, 80)]
)
_KNOTS = (0.0, 0.3, 0.6, 0.9, 1.3, 1.8, 2.5, 4.0)


class Sharpness(ObjectProperty):
    """The blur's sigma in px of the canvas, from the fall of the luma's power spectrum.

    A Gaussian of sigma s multiplies the power at f by exp(-4 pi^2 s^2 f^2). Noise added after the
    blur, above all by JPEG, is a floor n; without that term a blurred file would look sharp. The
    s^2 is that of the model a f^-2.5 exp(-4 pi^2 s^2 f^2) + n that fits the power best. Variances
    add, so the blur that turns one photo's sharpness into another's is the difference of theirs.

    Args:
        name: of the cue.
    """

    way = "down"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """The background's blur in px, in a piecewise-linear basis: (9,)."""
        return np.array(described(_px(_variance(canvas)), _KNOTS), dtype=np.float32)

    def level(self, canvas: Canvas) -> float:
        """Minus the background's blur in px; above 0 where it looks sharpened."""
        return -_px(_variance(canvas))

    def changed(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo blurred to the donor's sharpness; unchanged where the donor is as sharp."""
        return self._within(canvas, donor, None)

    def _within(self, canvas: Canvas, donor: Canvas, share: torch.Tensor | None) -> torch.Tensor:
        """The photo with ``share`` (h, w) of each pixel blurred; None: all of it."""
        variance = _variance(donor) - _variance(canvas)
        if variance <= 0:
            return canvas.photo
        blurred = _blurred(canvas.photo, math.sqrt(variance), share)
        return blurred if share is None else blended(canvas.photo, blurred, share)


def _px(variance: float) -> float:
    """A signed variance in px^2 as a signed px."""
    return math.copysign(math.sqrt(abs(variance)), variance)


def _variance(canvas: Canvas) -> float:
    """The blur of the background, of the whole photo without one, as a signed variance in px^2."""
    light = luminance(canvas.photo)
    seen = _window(light.shape) * _free(canvas)
    if seen.sum() < _SMALLEST_SHARE * seen.size:
        seen = _window(light.shape)
    return _blur(light, seen)


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
    known = (counts > 0) & (radial > 0)
    # A photo of one colour has nothing to be sharp or blurred but its rounding.
    if known.sum() < _FEWEST_BINS or radial[known].max() < 3 * _ROUNDING:
        return 0.0
    return _fitted(radial[known], _MIDDLES[known], np.sqrt(counts[known]))


def _fitted(
    power: NDArray[np.float64], at: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """The variance for which ``amount * shape + noise`` fits ``power`` best; all are tried.

    Amount and noise are the least squares of the relative error, a linear problem for each.

    Args:
        power: (B,) at frequencies ``at``.
        at: (B,) cycles a px.
        weight: (B,).
    """
    shape = at**-_FALL * np.exp(-4 * math.pi**2 * _TRIED[:, None] * at**2)
    one, other = shape / power, 1 / power  # the two columns of the relative problem
    a = (weight * one * one).sum(1)
    b = (weight * one * other).sum(1)
    c = float((weight * other * other).sum())
    u, v = (weight * one).sum(1), float((weight * other).sum())
    determinant = np.maximum(a * c - b * b, 1e-300)
    noise = (a * v - b * u) / determinant
    amount = np.where(noise >= _ROUNDING, (u * c - b * v) / determinant, (u - b * _ROUNDING) / a)
    noise = np.maximum(noise, _ROUNDING)
    error = np.log((np.maximum(amount, 1e-12)[:, None] * shape + noise[:, None]) / power)
    return float(_TRIED[(weight * error**2).sum(1).argmin()])


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
    # At the pixels' centres: every second of twice as many points, which start at the edge.
    sides = [tukey(2 * side + 1, 2 * _EDGE_SHARE)[1::2] for side in shape]
    window: NDArray[np.float32] = np.outer(*sides).astype(np.float32)
    return window


def _free(canvas: Canvas) -> NDArray[np.float32]:
    """The background (h, w), soft inwards so that the object's outline adds nothing fine."""
    free = Image.fromarray(background(canvas).astype(np.uint8) * 255)
    spread = np.asarray(free.filter(_BOX).filter(_BOX), dtype=np.float32)
    return (spread * np.float32(2 / 255) - 1).clip(min=0)


def _blurred(photo: torch.Tensor, sigma: float, share: torch.Tensor | None = None) -> torch.Tensor:
    """The photo (3, h, w) uint8 under a Gaussian of ``sigma`` px, its edges continued.

    With ``share`` (h, w) each pixel counts by its share, so that what has none is not smeared over
    the rest (normalised convolution: Knutsson and Westin, CVPR 1993).

    ``scipy.ndimage.gaussian_filter`` gives the same within 1e-6 of its value, but rounds some 10 of
    a million pixels to the neighbouring grey level, which moves measured probabilities by 1e-5.
    """
    down, across = (_gaussian(side, sigma) for side in photo.shape[1:])
    if share is None:
        return as_photo((down @ photo.float() @ across.T).numpy())
    known = (down @ share @ across.T).clamp(min=1e-6)
    return as_photo((down @ (photo.float() * share) @ across.T / known).numpy())


def _gaussian(side: int, sigma: float) -> torch.Tensor:
    """The blur of one axis as a matrix (side, side)."""
    check_size(side, side)
    half = max(math.ceil(3.5 * sigma), 1)
    offsets = torch.arange(-half, half + 1)
    kernel = torch.exp(-(offsets.float() ** 2) / (2 * sigma**2))
    sources = (torch.arange(side)[:, None] + offsets).clamp(0, side - 1)
    weights = (kernel / kernel.sum()).expand(side, -1)
    return torch.zeros(side, side).scatter_add_(1, sources, weights)
