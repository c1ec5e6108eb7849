"""Stems, leaves and the buds between them: what belongs to the plant but counts as background."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from xai_audit.demo import colour, noise, petal, scene, surface

Array = NDArray[np.float32]

# All species share these leaves: the background must not distinguish the honest classes.
_GREENS = tuple(
    colour.hex_linear(code) for code in ("3f6b24", "587f2e", "2f5a28", "6b8a3c", "4b7440")
)


@dataclasses.dataclass(frozen=True)
class Stem:
    """A stem's course: control points (3, 2) of a quadratic curve and its half width, in pixels."""

    points: Array
    half: float


def draw_stem(at: Array, radius: float, size: int, rng: np.random.Generator) -> Stem:
    """Return a stem from a flower head at `at` (2,) down to the lower edge."""
    foot = np.array([at[0] + rng.normal(0.0, 0.14) * size, size * 1.05])
    middle = (at + foot) / 2.0 + np.array([rng.normal(0.0, 0.06) * size, 0.0])
    return Stem(
        np.stack([at, middle, foot]).astype(np.float32),
        max(0.045 * radius, 0.008 * size) * rng.uniform(0.8, 1.3),
    )


def paint_stem(
    canvas: scene.Canvas, stem: Stem, light: scene.Light, rng: np.random.Generator
) -> None:
    """Paint one stem over the canvas."""
    green = colour.jitter(rng, _GREENS[int(rng.integers(len(_GREENS)))], 0.12)
    top, foot = float(stem.points[0, 1]), float(stem.points[2, 1])
    spread = (
        float(stem.points[:, 0].min()) - 3 * stem.half,
        float(stem.points[:, 0].max()) + 3 * stem.half,
    )
    at, px, py = canvas.window(spread, (top, foot))
    if at.size == 0:
        return
    t = np.clip((py - top) / max(foot - top, 1.0), 0.0, 1.0)
    p0, p1, p2 = (float(x) for x in stem.points[:, 0])
    centre = (1 - t) ** 2 * p0 + 2 * t * (1 - t) * p1 + t**2 * p2
    lean = (2 * (1 - t) * (p1 - p0) + 2 * t * (p2 - p1)) / max(foot - top, 1.0)
    half = stem.half * (0.85 + 0.3 * t)
    across = (px - centre) / np.hypot(1.0, lean)
    keep = np.abs(across) < half + 0.5
    at, py, across, half, t = at[keep], py[keep], across[keep], half[keep], t[keep]
    nx = np.clip(across / half, -0.98, 0.98)
    grain = noise.sample_tile(py * 0.6, nx * 12.0 + rng.uniform(0, 256))
    lit = light.shade((nx, np.zeros_like(nx), np.sqrt(1.0 - nx * nx)))
    shaded = np.clip(0.45 + t * 2.5, 0.0, 1.0)
    canvas.over(
        at,
        green * (1.0 + 0.08 * grain)[:, None] * lit * shaded[:, None],
        np.clip(half - np.abs(across) + 0.5, 0, 1),
    )


def paint_leaves(
    canvas: scene.Canvas,
    stem: Stem,
    light: scene.Light,
    rng: np.random.Generator,
    *,
    reach: float,
) -> None:
    """Paint a few leaves of about `reach` pixels: on the stem, or grown in from below."""
    for _ in range(int(rng.integers(1, 5))):
        length = reach * rng.uniform(0.6, 1.25)
        if rng.random() < 0.65:
            base = _point_on(stem, rng.uniform(0.35, 1.0))
            azimuth = -np.pi / 2 + rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 1.4)
        else:
            base = np.array([rng.uniform(0.0, 1.0) * canvas.size, 1.03 * canvas.size])
            azimuth = -np.pi / 2 + rng.normal(0.0, 0.5)
        turn = scene.frame(rng.uniform(0.1, 0.8), rng.uniform(-np.pi, np.pi), 0.0)
        pose = surface.pose_on(
            turn,
            base.astype(np.float32),
            azimuth=azimuth,
            rise=rng.normal(0.0, 0.3),
            roll=rng.normal(0.0, 0.5),
        )
        half = length * float(rng.choice([0.1, 0.18, 0.26]))
        pose = dataclasses.replace(pose, length=length, half=half)
        petal.paint(canvas, pose, _leaf(rng), light, rng)


def _point_on(stem: Stem, t: float) -> NDArray[np.float64]:
    """Return the point (2,) of the stem's curve at t, 0 the head, 1 the foot."""
    weights = np.array([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    return weights @ stem.points.astype(np.float64)


def _leaf(rng: np.random.Generator) -> petal.Look:
    green = colour.jitter(rng, _GREENS[int(rng.integers(len(_GREENS)))], 0.15)
    stops = np.stack([green * 0.75, green, green * np.float32(rng.uniform(0.9, 1.3))])
    return petal.Look(
        colours=np.clip(stops, 0.0, 1.0), rise=rng.uniform(0.5, 0.8), fall=rng.uniform(0.6, 1.0),
        foot=0.06, bend=rng.normal(0.0, 0.25), cup=rng.uniform(-0.3, 0.4), groove=0.12, grooves=1.0,
        crumple=0.12, veins=0.3, vein_count=rng.uniform(3.0, 6.0), vein_fan=0.4, vein_colour=green *
        1.5, gloss=0.06, through=0.3, shadow=0.25,
    )  # fmt: skip
