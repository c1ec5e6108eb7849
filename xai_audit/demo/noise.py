"""Smooth random fields, the raw material of every natural texture in the demo."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]

TILE = 256


def smooth(rng: np.random.Generator, size: int, cells: int) -> Array:
    """Return (size, size) float32 value noise, about -1..1, with `cells` bumps a side."""
    grid = rng.uniform(-1.0, 1.0, (cells + 3, cells + 3)).astype(np.float32)
    step = cells / (cells + 3)
    margin = (1.0 - step) / 2.0 * (cells + 3)
    box = (margin, margin, margin + cells, margin + cells)
    field = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(field, dtype=np.float32)


def fractal(
    rng: np.random.Generator, size: int, cells: int, *, octaves: int = 4, gain: float = 0.55
) -> Array:
    """Return (size, size) float32 noise summed over octaves, scaled to unit standard deviation."""
    total = np.zeros((size, size), dtype=np.float32)
    weight = 1.0
    for octave in range(octaves):
        total += np.float32(weight) * smooth(rng, size, min(cells << octave, size))
        weight *= gain
    spread = float(total.std())
    return np.asarray((total - total.mean()) / max(spread, 1e-6), dtype=np.float32)


@functools.cache
def tile() -> Array:
    """Return the (TILE, TILE) float32 periodic noise that petals sample, unit standard deviation.

    It is the same for all photos: a petal picks its own offset, which costs nothing.
    """
    rng = np.random.Generator(np.random.PCG64(20))
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
    fy = np.fft.fftfreq(TILE)[:, None] * TILE
    fx = np.fft.rfftfreq(TILE)[None, :] * TILE
    radius = np.hypot(fy, fx)
    field = np.fft.irfft2(spectrum / (1.0 + (radius / 5.0) ** 1.8), s=(TILE, TILE))
    field -= field.mean()
    unit: Array = (field / field.std()).astype(np.float32)
    return unit


def sample_tile(rows: Array, cols: Array) -> Array:
    """Return the tile's values at float positions (any shape), wrapping around."""
    at = (rows.astype(np.int32) & (TILE - 1)) * TILE + (cols.astype(np.int32) & (TILE - 1))
    return np.asarray(tile().ravel()[at], dtype=np.float32)
