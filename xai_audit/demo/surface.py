"""A bent, cupped patch of surface, and which pixels of the picture show which point of it.

A patch has coordinates u (0 base .. 1 tip) and v (-1 .. 1 across). Its point in space is
`base + L u e_u + W v e_v + n (bend L u^2 + cup W v^2)`. The map is inverted per pixel, so that the
edge's distance is known in pixels and anti-aliasing needs no mesh.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from xai_audit.demo import scene

Array = NDArray[np.float32]
Index = NDArray[np.int64]
Exact = NDArray[np.float64]

_STEPS = 512
# Points around and across a patch whose box is searched for its pixels.
_RIM_U, _RIM_V = (
    part.ravel() for part in np.meshgrid(np.linspace(-0.1, 1.15, 6), (-1.2, 0.0, 1.2))
)


@dataclasses.dataclass(frozen=True)
class Shape:
    """The outline and relief of a petal or leaf, in shares of its length and half width."""

    rise: float = 0.5
    fall: float = 0.35
    foot: float = 0.12
    notch: float = 0.0
    frill: float = 0.0
    bend: float = 0.0
    cup: float = 0.0
    groove: float = 0.0
    grooves: float = 2.0
    crumple: float = 0.1


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where a patch sits: base (2,) and sizes in pixels, unit axes (3,)."""

    base: Array
    along: Array
    across: Array
    normal: Array
    length: float
    half: float


@dataclasses.dataclass(frozen=True)
class Patch:
    """The pixels near a patch, each (N,).

    `at` is the flat index, `u` and `v` the coordinates, `width` the outline's half width there,
    `gap` the distance inside the edge in pixels (negative outside), `slope` where it grows.
    """

    at: Index
    u: Array
    v: Array
    width: Array
    gap: Array
    slope: tuple[Array, Array]

    def where(self, keep: NDArray[np.bool_]) -> Patch:
        """Return the patch reduced to the pixels of a boolean (N,)."""
        slope = (self.slope[0][keep], self.slope[1][keep])
        return Patch(
            self.at[keep], self.u[keep], self.v[keep], self.width[keep], self.gap[keep], slope
        )


@functools.cache
def outline(rise: float, fall: float, foot: float) -> tuple[Array, Array]:
    """Return half width 0..1 and its slope along u, both (_STEPS,) float32."""
    u = np.linspace(0.0, 1.0, _STEPS)
    peak = rise / (rise + fall)
    width = (u / peak) ** rise * ((1.0 - u) / (1.0 - peak)) ** fall
    width = np.maximum(width, foot * np.clip(1.0 - u / 0.8, 0.0, 1.0))
    return width.astype(np.float32), np.gradient(width, u).astype(np.float32)


def pose_on(turn: Array, base: Array, *, azimuth: float, rise: float, roll: float) -> Pose:
    """Return a pose of unit size on a flower turned by `turn` (3, 3).

    Args:
        turn: the flower's rotation, (3, 3).
        base: where the patch starts, (2,) pixels.
        azimuth: its direction about the flower's axis, radians.
        rise: its angle above the flower's plane, radians.
        roll: its turn about its own length, radians.
    """
    ca, sa, cr, sr = np.cos(azimuth), np.sin(azimuth), np.cos(rise), np.sin(rise)
    along = np.array([ca * cr, sa * cr, sr])
    side = np.array([-sa, ca, 0.0])
    across = np.cos(roll) * side + np.sin(roll) * np.cross(along, side)
    normal = np.cross(along, across)
    return Pose(
        base,
        along=(turn @ along).astype(np.float32),
        across=(turn @ across).astype(np.float32),
        normal=(turn @ normal).astype(np.float32),
        length=1.0,
        half=1.0,
    )


def unfolded(pose: Pose, shape: Shape) -> float:
    """Return the shape's bend, limited so that the patch never folds over itself on the picture."""
    along = float(np.hypot(pose.along[0], pose.along[1]))
    limit = 0.38 * along / max(float(np.hypot(pose.normal[0], pose.normal[1])), 1e-3)
    return float(np.clip(shape.bend, -limit, limit))


def locate(canvas: scene.Canvas, pose: Pose, shape: Shape, shift: Exact) -> Patch | None:
    """Return the pixels near a patch, or None where it is seen edge-on or lies off the canvas."""
    across_picture = np.array(
        [
            [pose.along[0] * pose.length, pose.across[0] * pose.half],
            [pose.along[1] * pose.length, pose.across[1] * pose.half],
        ],
        dtype=np.float64,
    )
    if abs(np.linalg.det(across_picture)) < 0.06 * pose.length * pose.half:
        return None
    inverse = np.linalg.inv(across_picture).astype(np.float32)
    at, u, v = _candidates(canvas, pose, shape, across_picture, inverse)
    if at.size == 0:
        return None
    if shape.frill or shape.notch:
        u = u / _stretch(u, v, shape, shift)
    widths, slopes = outline(shape.rise, shape.fall, shape.foot)
    step = np.clip(u * (_STEPS - 1), 0, _STEPS - 1).astype(np.int32)
    width, slope = widths[step], np.clip(slopes[step], -8.0, 8.0)
    side = np.sign(v)
    gx = slope * inverse[0, 0] - side * inverse[1, 0]
    gy = slope * inverse[0, 1] - side * inverse[1, 1]
    steep = np.hypot(gx, gy) + 1e-9
    gap = (width - np.abs(v)) / steep
    # Outside base and tip the outline has no width: the gap is the distance back along u.
    outside = np.maximum(-u, u - 1.0)
    stride = float(np.hypot(inverse[0, 0], inverse[0, 1]))
    gap = np.where(outside > 0.0, np.minimum(gap, -outside / stride), gap)
    return Patch(at, u, v, width, gap.astype(np.float32), (gx / steep, gy / steep))


def _stretch(u: Array, v: Array, shape: Shape, shift: Exact) -> Array:
    """Return by how much the petal reaches further at each pixel: waves along its rim, a notch."""
    phase = shift.astype(np.float32)
    wave = np.sin(4.1 * v + phase[0]) + 0.6 * np.sin(9.3 * v + phase[1])
    wave += 0.3 * np.sin(17.0 * v + phase[2])
    stretch = 1.0 + shape.frill * wave * np.clip(u, 0.0, 1.0)
    stretch -= shape.notch * np.exp(-((v / 0.16) ** 2))
    return np.asarray(np.maximum(stretch, 0.4), dtype=np.float32)


def _candidates(
    canvas: scene.Canvas, pose: Pose, shape: Shape, jacobian: Exact, inverse: Array
) -> tuple[Index, Array, Array]:
    """Return (flat index, u, v) of the pixels within a margin of the bent patch."""
    bend = unfolded(pose, shape) * pose.length
    cup = shape.cup * pose.half
    lift = bend * _RIM_U**2 + cup * _RIM_V**2
    xs = pose.base[0] + jacobian[0] @ (_RIM_U, _RIM_V) + pose.normal[0] * lift
    ys = pose.base[1] + jacobian[1] @ (_RIM_U, _RIM_V) + pose.normal[1] * lift
    at, px, py = canvas.window((xs.min(), xs.max()), (ys.min(), ys.max()))
    dx, dy = px - pose.base[0], py - pose.base[1]
    u = inverse[0, 0] * dx + inverse[0, 1] * dy
    v = inverse[1, 0] * dx + inverse[1, 1] * dy
    bow_u, bow_v = (float(bow) for bow in inverse @ pose.normal[:2])
    room_u, room_v = abs(bow_u * bend) * 1.4, abs(bow_v * bend)
    near = (u > -0.15 - room_u) & (u < 1.15 + room_u) & (np.abs(v) < 1.5 + room_v)
    at, u, v = at[near], u[near], v[near]
    flat_u, flat_v = u, v
    # The relief is shallow, so a few fixed-point steps undo it.
    for _ in range(3):
        high = bend * np.clip(u, 0.0, 1.2) ** 2 + cup * np.clip(v * v, 0.0, 2.0)
        u, v = flat_u - bow_u * high, flat_v - bow_v * high
    close = (u > -0.15) & (u < 1.2) & (np.abs(v) < 1.35)
    return at[close], u[close], v[close]
