"""Colour in two worlds: 8-bit sRGB where people choose it, linear light where it is mixed."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@functools.cache
def _decode_table() -> Array:
    level = np.arange(256, dtype=np.float64) / 255.0
    low, high = level / 12.92, ((level + 0.055) / 1.055) ** 2.4
    return np.where(level <= 0.04045, low, high).astype(np.float32)


@functools.cache
def _encode_table() -> Array:
    level = np.linspace(0.0, 1.0, 4097)
    low, high = level * 12.92, 1.055 * level ** (1 / 2.4) - 0.055
    return (255.0 * np.where(level <= 0.0031308, low, high)).astype(np.float32)


def to_linear(srgb: NDArray[np.uint8]) -> Array:
    """Return linear light 0..1, float32, of 8-bit sRGB of any shape."""
    return _decode_table()[srgb]


def to_srgb(linear: Array) -> Array:
    """Return sRGB levels 0..255, float32, of linear light clipped to 0..1."""
    at = (np.clip(linear, 0.0, 1.0) * np.float32(4096.0)).astype(np.int32)
    return _encode_table()[at]


def hex_linear(code: str) -> Array:
    """Return the (3,) float32 linear colour of "rrggbb"."""
    return to_linear(np.frombuffer(bytes.fromhex(code), dtype=np.uint8))


def jitter(rng: np.random.Generator, colour: Array, amount: float) -> Array:
    """Return the colour (..., 3) with brightness and each channel varied by about `amount`."""
    gain = 1.0 + amount * rng.normal() + 0.5 * amount * rng.normal(size=3)
    return (colour * np.clip(gain, 0.5, 1.6)).astype(np.float32)
