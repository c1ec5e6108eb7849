"""What all painters share: the light, the canvas, and how a flower sits before the camera.

Axes of the camera: x right, y down, z towards the viewer; lengths in canvas pixels. Projection is
orthographic, as for a long lens: a point (x, y, z) is seen at (x, y).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Index = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Light:
    """One sun (direction (3,), strength, colour) and the sky's fill light."""

    direction: Array
    sun: Array
    sky: Array

    def shade(self, normals: tuple[Array, Array, Array], *, through: float = 0.0) -> Array:
        """Return the light (N, 3) on surfaces with unit normals, `through` of it from behind."""
        nx, ny, nz = normals
        lx, ly, lz = (float(part) for part in self.direction)
        facing = nx * lx + ny * ly + nz * lz
        # Wrapped diffuse: petals are thin and scatter, so light reaches past the terminator.
        lit = np.clip((facing + 0.18) / 1.18, 0.0, None) + through * np.clip(-facing, 0.0, None)
        fill = 0.72 - 0.28 * ny
        light: Array = lit[:, None] * self.sun + fill[:, None] * self.sky
        return light

    def glint(self, normals: tuple[Array, Array, Array], power: int) -> Array:
        """Return (N,) float32 specular highlight of the sun, 0..1."""
        half = self.direction + np.array([0.0, 0.0, 1.0], dtype=np.float32)
        half = half / np.linalg.norm(half)
        nx, ny, nz = normals
        glint: Array = np.clip(nx * half[0] + ny * half[1] + nz * half[2], 0.0, 1.0) ** power
        return glint


@dataclasses.dataclass(frozen=True)
class Seat:
    """Where a flower sits: its middle (2,) in pixels, its rotation (3, 3), its radius in pixels."""

    at: Array
    turn: Array
    radius: float


class Canvas:
    """A square layer that is painted back to front: premultiplied linear colour and coverage.

    It holds the only mutable state of the renderer, and lives for one photo.
    """

    def __init__(self, size: int) -> None:
        """Start with an empty layer of `size` pixels a side."""
        self.size = size
        self.rgb = np.zeros((size * size, 3), dtype=np.float32)
        self.alpha = np.zeros(size * size, dtype=np.float32)

    def over(self, at: Index, colour: Array, alpha: Array) -> None:
        """Paint colour (N, 3) with coverage (N,) over the pixels of flat index `at` (N,)."""
        keep = 1.0 - alpha
        self.rgb[at] = self.rgb[at] * keep[:, None] + colour * alpha[:, None]
        self.alpha[at] = self.alpha[at] * keep + alpha

    def darken(self, at: Index, factor: Array) -> None:
        """Multiply what is painted at `at` (N,) by factor (N,): a shadow on this layer only."""
        self.rgb[at] *= factor[:, None]

    def image(self) -> tuple[Array, Array]:
        """Return the premultiplied colour (S, S, 3) and the coverage (S, S), float32."""
        return self.rgb.reshape(self.size, self.size, 3), self.alpha.reshape(self.size, self.size)

    def window(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[Index, Array, Array]:
        """Return flat index, x and y of the pixels in a box, each (N,); none where it is off."""
        x0, x1 = max(int(x[0]) - 1, 0), min(int(x[1]) + 2, self.size)
        y0, y1 = max(int(y[0]) - 1, 0), min(int(y[1]) + 2, self.size)
        xs, ys = np.arange(x0, max(x1, x0)), np.arange(y0, max(y1, y0))
        at = (ys[:, None] * self.size + xs[None, :]).ravel()
        px = np.broadcast_to(xs.astype(np.float32), (ys.size, xs.size)).ravel()
        py = np.repeat(ys.astype(np.float32), xs.size)
        return at, px, py


def frame(lean: float, towards: float, roll: float) -> Array:
    """Return the (3, 3) float32 rotation whose columns are a flower's x, y and axis in camera axes.

    Args:
        lean: angle between the flower's axis and the line of sight, radians.
        towards: direction on the picture in which the axis leans, radians (0 right, pi/2 down).
        roll: turn of the flower about its own axis, radians.
    """
    turn = _about_z(towards) @ _about_y(lean) @ _about_z(roll - towards)
    return turn.astype(np.float32)


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _about_y(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def draw_light(rng: np.random.Generator) -> Light:
    """Return the light of one photo, from soft overcast to low warm sun."""
    bearing = rng.uniform(-np.pi * 0.95, -np.pi * 0.05)
    height = rng.uniform(0.45, 1.2)
    direction = np.array(
        [np.cos(bearing) * np.cos(height), np.sin(bearing) * np.cos(height), np.sin(height)]
    )
    hard = rng.uniform(0.2, 1.0)
    warm = rng.uniform(0.0, 0.14)
    sun = (0.48 + 0.5 * hard) * np.array([1.0 + 0.4 * warm, 1.0, 1.0 - warm])
    sky = (0.56 - 0.3 * hard) * np.array([0.97, 1.0, 1.06])
    return Light(direction.astype(np.float32), sun.astype(np.float32), sky.astype(np.float32))
