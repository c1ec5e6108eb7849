"""The JPEG quality 1..100 of a quantisation table, and of pixels that were a JPEG once."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Luminance table of ITU-T T.81, Annex K.1, row by row.
_ANNEX_K = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_SIDE = 8
# Low frequencies: the ones that are not all zero at low qualities.
_PLACES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))
# Above this the steps are hardly wider than the rounding of the decoded pixels, and nothing shows.
_TRIED = tuple(range(4, 20)) + tuple(range(20, 76, 2))
_BLOCKS = 1024
_FEWEST = 40
_SURE = 0.6
_NEAR_ZERO = 0.22


def of_table(table: Sequence[int]) -> float:
    """The quality 1..100 with the luminance table nearest, in ratios, to these 64 steps.

    Exact for libjpeg's own tables; the nearest in strength for others'.
    """
    steps = np.maximum(np.array(table, dtype=np.float64), 1)
    far = np.abs(np.log(_tables().reshape(100, 64) / steps)).sum(axis=1)
    return float(np.argmin(far) + 1)


def of_pixels(light: NDArray[np.float32]) -> float:
    """The quality that the luma (height, width) once was a JPEG of, or 100 where it does not show.

    Its cosine coefficients then sit at multiples of that quality's steps: the mean of
    cos(2 pi c / step) is near 1, where it is about 0 for any other step. Only a grid that starts at
    the photo's corner is seen, and only qualities below 76.

    Source: Fan and de Queiroz, Identification of bitmap compression history, IEEE TIP 2003 (the
    idea of the comb).
    """
    coefficients = _coefficients(light)
    best, found = 0.0, 0
    for quality in _TRIED:
        score = _comb(coefficients, quality)
        # The lowest that fits: a divisor of the true step fits as well. Then up to its peak.
        if found and score <= best:
            break
        if score > max(_SURE, best):
            best, found = score, quality
    if not found:
        return 100.0
    near = range(max(found - 1, 1), found + 2)
    return float(max(near, key=lambda quality: _comb(coefficients, quality)))


def blockiness(light: NDArray[np.float32]) -> float:
    """Log ratio of the mean step across 8 px borders to that elsewhere; 0 is none.

    Args:
        light: the luma (height, width) at the stored scale.
    """
    across, elsewhere = [], []
    for axis in (0, 1):
        steps = np.abs(np.diff(light, axis=axis)).mean(axis=1 - axis, dtype=np.float64)
        border = np.arange(len(steps)) % _SIDE == _SIDE - 1
        across += list(steps[border])
        elsewhere += list(steps[~border])
    if not across or not elsewhere:
        return 0.0
    # Half a level on both sides: a flat photo has no blocks.
    return math.log((float(np.mean(across)) + 0.5) / (float(np.mean(elsewhere)) + 0.5))


@cache
def _tables() -> NDArray[np.float64]:
    """The luminance table of each quality 1..100, (100, 8, 8), by libjpeg's rule."""
    quality = np.arange(1, 101)[:, None, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = (np.array(_ANNEX_K) * scale + 50) // 100
    return tables.clip(1, 255).astype(np.float64)


def _coefficients(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine coefficients of up to _BLOCKS blocks of the luma, (len(_PLACES), blocks)."""
    rows, columns = light.shape[0] // _SIDE, light.shape[1] // _SIDE
    whole = light[: rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    blocks = whole.transpose(0, 2, 1, 3).reshape(-1, _SIDE * _SIDE)
    blocks = blocks[:: max(-(-len(blocks) // _BLOCKS), 1)]
    return np.ascontiguousarray(blocks.dot(_cosines()).T)


@cache
def _cosines() -> NDArray[np.float32]:
    """The orthonormal cosine of each place, (64, len(_PLACES))."""
    place = (2 * np.arange(_SIDE) + 1) * math.pi / (2 * _SIDE)
    waves = [np.full(_SIDE, math.sqrt(1 / _SIDE))]
    waves += [math.sqrt(2 / _SIDE) * np.cos(n * place) for n in (1, 2)]
    patterns = [np.outer(waves[v], waves[u]).ravel() for v, u in _PLACES]
    return np.stack(patterns, axis=1).astype(np.float32)


@cache
def _steps() -> NDArray[np.float32]:
    """The step of each quality 1..100 at each place, (100, len(_PLACES), 1)."""
    rows, columns = zip(*_PLACES, strict=True)
    return _tables()[:, rows, columns, None].astype(np.float32)


def _comb(coefficients: NDArray[np.float32], quality: int) -> float:
    """The fit of the coefficients to this quality's steps, at most 1; 0 where too few differ."""
    turns = coefficients / _steps()[quality - 1]
    # Around 0 any step fits. Half a step is well within: there lie the odd multiples of a
    # step half as wide, which this one must not be taken for.
    moved = turns[np.abs(turns) > _NEAR_ZERO]
    if len(moved) < _FEWEST:
        return 0.0
    moved *= 2 * math.pi
    return float(np.cos(moved, out=moved).mean(dtype=np.float64))
