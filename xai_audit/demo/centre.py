"""The middle of a flower: a domed disc of florets in spirals, or a tuft of stamens."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from xai_audit.demo import noise, scene

Array = NDArray[np.float32]

_DISC = 160
_GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


@dataclasses.dataclass(frozen=True)
class Disc:
    """A disc of florets: colours (3, 3) middle to rim, sizes as shares of the flower's radius."""

    colours: Array
    radius: float
    dome: float = 0.25
    florets: int = 260
    relief: float = 0.8
    height: float = 0.0


@dataclasses.dataclass(frozen=True)
class Tuft:
    """Stamens around a pistil, sizes as shares of the flower's radius."""

    filament: Array
    anther: Array
    count: tuple[int, int]
    reach: tuple[float, float]
    height: float
    size: float
    pistil: float = 0.0
    pistil_colour: Array | None = None


@functools.cache
def floret_heights(florets: int) -> Array:
    """Return heights 0..1 of florets along the golden spiral, (_DISC, _DISC) float32."""
    rng = np.random.Generator(np.random.PCG64(florets))
    order = np.arange(florets) + 0.5
    radius = np.sqrt(order / florets) * 0.97
    angle = order * _GOLDEN_ANGLE + rng.normal(0.0, 0.03, florets)
    centre = (1.0 + np.stack([radius * np.cos(angle), radius * np.sin(angle)])) * _DISC / 2.0
    reach = 0.95 * _DISC / 2.0 / np.sqrt(florets)
    tall = rng.uniform(0.7, 1.0, florets)
    heights = np.zeros((_DISC, _DISC), dtype=np.float32)
    for cx, cy, top in zip(*centre, tall, strict=True):
        x0, x1 = max(int(cx - 2.0 * reach), 0), min(int(cx + 2.0 * reach) + 2, _DISC)
        y0, y1 = max(int(cy - 2.0 * reach), 0), min(int(cy + 2.0 * reach) + 2, _DISC)
        gap = (np.arange(x0, x1) - cx) ** 2 + (np.arange(y0, y1)[:, None] - cy) ** 2
        bump = top * np.exp(-gap / (0.9 * reach**2))
        heights[y0:y1, x0:x1] = np.maximum(heights[y0:y1, x0:x1], bump)
    return heights


@functools.cache
def _floret_slopes(florets: int) -> tuple[Array, Array]:
    down, right = np.gradient(floret_heights(florets) * 6.0)
    return down.astype(np.float32), right.astype(np.float32)


def paint_disc(
    canvas: scene.Canvas,
    disc: Disc,
    seat: scene.Seat,
    light: scene.Light,
    rng: np.random.Generator,
) -> None:
    """Paint the disc of a flower over the canvas."""
    turn = seat.turn
    radius = disc.radius * seat.radius
    at = seat.at + turn[:2, 2] * disc.height * seat.radius
    index, px, py = canvas.window(
        (at[0] - 1.3 * radius, at[0] + 1.3 * radius), (at[1] - 1.3 * radius, at[1] + 1.3 * radius)
    )
    if index.size == 0:
        return
    _shade_ground(canvas, index, np.hypot(px - at[0], py - at[1]) / radius)
    inverse = np.linalg.inv(turn[:2, :2].astype(np.float64) * radius).astype(np.float64)
    x, y = _on_dome(px - at[0], py - at[1], inverse, turn[:2, 2] * disc.dome * radius)
    reach = np.hypot(x, y)
    wobble = 0.04 * noise.sample_tile(rng.uniform(0, 256) + 9.0 * x, rng.uniform(0, 256) + 9.0 * y)
    gap = (1.0 + wobble - reach) * radius * max(float(turn[2, 2]), 0.3)
    keep = gap > -0.6
    index, x, y, reach, gap = index[keep], x[keep], y[keep], reach[keep], gap[keep]
    colour = _disc_colour(disc, turn, (x, y, reach), light, rng)
    canvas.over(index, colour, np.clip(gap * 0.8 + 0.5, 0.0, 1.0))


def _on_dome(
    dx: Array, dy: Array, inverse: NDArray[np.float64], rise: Array
) -> tuple[Array, Array]:
    """Return disc coordinates (x, y), in its radii, of pixels (dx, dy) from its centre."""
    x, y = inverse[0, 0] * dx + inverse[0, 1] * dy, inverse[1, 0] * dx + inverse[1, 1] * dy
    flat_x, flat_y = x, y
    bow = inverse @ rise
    for _ in range(3):
        top = np.clip(1.0 - x * x - y * y, 0.0, 1.0)
        x, y = flat_x - bow[0] * top, flat_y - bow[1] * top
    return x.astype(np.float32), y.astype(np.float32)


def _disc_colour(
    disc: Disc,
    turn: Array,
    place: tuple[Array, Array, Array],
    light: scene.Light,
    rng: np.random.Generator,
) -> Array:
    """Return the lit colour (N, 3) of disc pixels at (x, y, distance)."""
    x, y, reach = place
    row = np.clip((y + 1.0) * _DISC / 2.0, 0, _DISC - 1).astype(np.int32)
    col = np.clip((x + 1.0) * _DISC / 2.0, 0, _DISC - 1).astype(np.int32)
    height = floret_heights(disc.florets)[row, col]
    down, right = _floret_slopes(disc.florets)
    inner = np.clip(reach * 2.0, 0.0, 1.0)[:, None]
    outer = np.clip(reach * 2.0 - 1.0, 0.0, 1.0)[:, None]
    stops = disc.colours
    pigment = stops[0] + inner * (stops[1] - stops[0]) + outer * (stops[2] - stops[1])
    mottle = noise.sample_tile(rng.uniform(0, 256) + 40.0 * x, 40.0 * y)
    pigment = (
        pigment * ((1.0 - disc.relief * 0.75) + disc.relief * 0.9 * height + 0.07 * mottle)[:, None]
    )
    local = [
        2.0 * disc.dome * x - disc.relief * right[row, col],
        2.0 * disc.dome * y - disc.relief * down[row, col],
    ]
    parts = [
        turn[axis, 2] + turn[axis, 0] * local[0] + turn[axis, 1] * local[1] for axis in range(3)
    ]
    norm = np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2)
    lit = light.shade((parts[0] / norm, parts[1] / norm, parts[2] / norm))
    edge = 1.0 - 0.35 * np.clip((reach - 0.8) / 0.2, 0.0, 1.0)
    colour: Array = np.clip(pigment, 0.0, 1.0) * lit * edge[:, None]
    return colour


def _shade_ground(canvas: scene.Canvas, index: scene.Index, reach: Array) -> None:
    """Darken the petals around the disc, where the dome keeps the sky's light away."""
    canvas.darken(index, 1.0 - 0.4 * np.clip((1.25 - reach) / 0.3, 0.0, 1.0))


def paint_tuft(
    canvas: scene.Canvas,
    tuft: Tuft,
    seat: scene.Seat,
    light: scene.Light,
    rng: np.random.Generator,
) -> None:
    """Paint pistil and stamens of a flower over the canvas."""
    at, turn, scale = seat.at, seat.turn, seat.radius
    index, px, py = canvas.window(
        (at[0] - 1.5 * tuft.reach[1] * scale, at[0] + 1.5 * tuft.reach[1] * scale),
        (at[1] - 1.5 * tuft.reach[1] * scale, at[1] + 1.5 * tuft.reach[1] * scale),
    )
    away = np.hypot(px - at[0], py - at[1]) / (1.5 * tuft.reach[1] * scale)
    canvas.darken(index, 1.0 - 0.3 * np.clip(1.0 - away, 0.0, 1.0))
    count = int(rng.integers(*tuft.count, endpoint=True))
    reach = rng.uniform(*tuft.reach, count) * scale
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    height = tuft.height * scale * rng.uniform(0.6, 1.1, count)
    tips = turn @ np.stack([reach * np.cos(angle), reach * np.sin(angle), height])
    size = max(tuft.size * scale, 1.0)
    for tip in tips.T[np.argsort(tips[2], kind="stable")]:
        bright = light.sun * 0.75 + light.sky * 0.7
        _stroke(canvas, (at, at + tip[:2]), 0.34 * size, tuft.filament * bright)
        _bead(
            canvas,
            at + tip[:2],
            size * rng.uniform(0.8, 1.15),
            tuft.anther * rng.uniform(0.8, 1.1),
            light,
        )
    if tuft.pistil and tuft.pistil_colour is not None:
        top = at + turn[:2, 2] * tuft.height * 0.8 * scale
        _bead(canvas, top, tuft.pistil * scale, tuft.pistil_colour, light)


def _stroke(canvas: scene.Canvas, ends: tuple[Array, Array], half: float, colour: Array) -> None:
    """Paint a straight thread between two points."""
    (x0, y0), (x1, y1) = ends
    index, px, py = canvas.window(
        (min(x0, x1) - half, max(x0, x1) + half), (min(y0, y1) - half, max(y0, y1) + half)
    )
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((px - x0) * dx + (py - y0) * dy) / (dx * dx + dy * dy + 1e-6), 0.0, 1.0)
    gap = half - np.hypot(px - x0 - along * dx, py - y0 - along * dy)
    keep = gap > -0.5
    glow = (0.55 + 0.45 * along[keep])[:, None]
    canvas.over(index[keep], colour * glow, np.clip(gap[keep] + 0.5, 0.0, 1.0))


def _bead(
    canvas: scene.Canvas, at: Array, radius: float, colour: Array, light: scene.Light
) -> None:
    """Paint a small lit ball with a shadow beneath it."""
    reach = 2.0 * radius + 1.0
    index, px, py = canvas.window((at[0] - reach, at[0] + reach), (at[1] - reach, at[1] + reach))
    x, y = (px - at[0]) / radius, (py - at[1]) / radius
    shadow = np.hypot(x + 0.7 * light.direction[0], y + 0.7 * light.direction[1])
    canvas.darken(index, 1.0 - 0.35 * np.clip(1.7 - shadow, 0.0, 1.0))
    far = np.hypot(x, y)
    keep = far < 1.0 + 0.5 / radius
    x, y, far = x[keep], y[keep], far[keep]
    z = np.sqrt(np.clip(1.0 - far * far, 0.05, 1.0))
    norm = np.sqrt(x * x + y * y + z * z)
    lit = light.shade((x / norm, y / norm, z / norm))
    canvas.over(index[keep], colour * lit, np.clip((1.0 - far) * radius + 0.5, 0.0, 1.0))
