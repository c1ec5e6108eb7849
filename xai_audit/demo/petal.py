"""The painting of one petal or leaf: pigment, veins, relief in the light, soft shadow beneath."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from xai_audit.demo import noise, scene, surface

Array = NDArray[np.float32]
Exact = NDArray[np.float64]
Normals = tuple[Array, Array, Array]


@dataclasses.dataclass(frozen=True)
class Look(surface.Shape):
    """A petal's shape and its colours: rows base, middle, tip in linear RGB, (3, 3).

    `veins`, `eye` and `gloss` are strengths; the eye is the dark stain of the throat, `eye_rays` of
    it drawn out along lines, the heart a small spot in its middle.
    """

    colours: Array = dataclasses.field(default_factory=lambda: np.ones((3, 3), dtype=np.float32))
    veins: float = 0.0
    vein_count: float = 6.0
    vein_fan: float = 0.0
    vein_colour: Array | None = None
    eye: float = 0.0
    eye_reach: float = 0.3
    eye_rays: float = 0.3
    eye_colour: Array | None = None
    heart_reach: float = 0.15
    heart_colour: Array | None = None
    gloss: float = 0.0
    through: float = 0.35
    shadow: float = 0.45
    reverse: float = 0.85


def paint(
    canvas: scene.Canvas,
    pose: surface.Pose,
    look: Look,
    light: scene.Light,
    rng: np.random.Generator,
) -> None:
    """Paint one patch over the canvas, with its soft contact shadow on what lies beneath."""
    shift = rng.uniform(0.0, noise.TILE, 4)
    patch = surface.locate(canvas, pose, look, shift)
    if patch is None:
        return
    if look.shadow > 0.0:
        _cast(canvas, patch, light, look.shadow, spread=0.09 * pose.length + 1.0)
    patch = patch.where(patch.gap > -0.5)
    if patch.at.size:
        colour = _colour(patch, pose, look, light, shift)
        canvas.over(patch.at, colour, np.clip(patch.gap + 0.5, 0.0, 1.0))


def _cast(
    canvas: scene.Canvas,
    patch: surface.Patch,
    light: scene.Light,
    strength: float,
    *,
    spread: float,
) -> None:
    """Darken what lies under the patch near its edge, more on the side away from the sun."""
    toward = patch.slope[0] * light.direction[0] + patch.slope[1] * light.direction[1]
    reach = patch.gap / np.float32(spread) + 0.35 * toward
    depth = np.clip(1.0 + reach, 0.0, 1.0)
    keep = depth > 0.02
    sunny = min(1.0, float(light.sun[1]))
    canvas.darken(patch.at[keep], 1.0 - strength * (0.4 + 0.6 * sunny) * depth[keep] ** 2)


def _colour(
    patch: surface.Patch, pose: surface.Pose, look: Look, light: scene.Light, shift: Exact
) -> Array:
    """Return the lit colour (N, 3) of a patch's pixels."""
    u, v = np.clip(patch.u, 0.0, 1.0), patch.v
    normals, front = _normals(u, v, pose, look, shift)
    colour = _pigment(u, v, patch.width, look, shift) * light.shade(normals, through=look.through)
    if not front:
        colour *= look.reverse
    if look.gloss:
        colour += (look.gloss * light.glint(normals, 24))[:, None] * light.sun
    # Little light reaches the throat between petals.
    throat = 0.62 + 0.38 * np.clip(u / 0.35, 0.0, 1.0)
    return np.asarray(colour * throat[:, None], dtype=np.float32)


def _pigment(u: Array, v: Array, width: Array, look: Look, shift: Exact) -> Array:
    """Return the unlit colour (N, 3): gradient along the petal, blotches, veins, eye."""
    stops = look.colours
    first = np.clip(u * 2.0, 0.0, 1.0)[:, None]
    second = np.clip(u * 2.0 - 1.0, 0.0, 1.0)[:, None]
    pigment = stops[0] + first * (stops[1] - stops[0]) + second * (stops[2] - stops[1])
    mottle = noise.sample_tile(shift[2] + 60.0 * u, shift[3] + 40.0 * v)
    grain = noise.sample_tile(shift[3] + 150.0 * u, shift[2] + 170.0 * v)
    pigment = pigment * (1.0 + 0.045 * mottle + 0.03 * grain)[:, None]
    if look.veins:
        ink = pigment * 0.6 if look.vein_colour is None else look.vein_colour
        pigment += _vein_lines(u, v, width, look, shift)[:, None] * (ink - pigment)
    if look.eye_colour is not None:
        # Whiskers: the stain reaches further along fine lines that fan out from the throat.
        ray = np.abs(np.sin(np.pi * 4.0 * v / (u + 0.25) + 0.4 * mottle))
        reach = look.eye_reach * (0.8 + 0.4 * look.eye_rays * ray + 0.05 * mottle)
        _stain(pigment, np.hypot(u, 0.5 * v), reach, look.eye_colour, look.eye)
    if look.heart_colour is not None:
        reach = look.heart_reach * (1.0 + 0.1 * mottle)
        _stain(pigment, np.hypot(u, 0.9 * v), reach, look.heart_colour, 0.95)
    return np.asarray(np.clip(pigment, 0.0, 1.0), dtype=np.float32)


def _vein_lines(u: Array, v: Array, width: Array, look: Look, shift: Exact) -> Array:
    """Return how much of each pixel (N,) is vein: lines that fan out or converge."""
    fanned = v / (u + 0.22)
    across = v / np.maximum(width, 0.15) + look.vein_fan * (fanned - v / np.maximum(width, 0.15))
    waver = noise.sample_tile(shift[1] + 30.0 * u, shift[0] + 30.0 * v)
    line = np.clip(1.0 - 2.2 * np.abs(np.sin(np.pi * look.vein_count * across + 0.5 * waver)), 0, 1)
    return np.asarray(look.veins * line * np.clip(1.15 - u, 0.0, 1.0), dtype=np.float32)


def _stain(pigment: Array, away: Array, reach: Array, ink: Array, strength: float) -> None:
    """Blend `ink` (3,) into the pigment (N, 3) where `away` is below `reach`, with a soft rim."""
    amount = strength / (1.0 + np.exp((away - reach) / (0.14 * reach + 0.008)))
    pigment += amount[:, None] * (ink - pigment)


def _normals(
    u: Array, v: Array, pose: surface.Pose, look: Look, shift: Exact
) -> tuple[Normals, bool]:
    """Return the unit normals turned to the viewer, and whether the petal's front is seen."""
    lump = noise.sample_tile(shift[0] + 26.0 * u, shift[2] + 16.0 * v)
    fold = noise.sample_tile(shift[1] + 20.0 * u, shift[3] + 24.0 * v)
    ridge = look.groove * np.cos(np.pi * look.grooves * v + 0.6 * lump)
    along = 2.0 * look.bend * u + look.crumple * lump
    across = 2.0 * look.cup * v + ridge + look.crumple * fold
    front = bool(pose.normal[2] >= 0.0)
    sign = np.float32(1.0 if front else -1.0)
    x, y, z = (
        sign * (pose.normal[axis] - along * pose.along[axis] - across * pose.across[axis])
        for axis in range(3)
    )
    norm = np.sqrt(x * x + y * y + z * z)
    return (x / norm, y / norm, z / norm), front
