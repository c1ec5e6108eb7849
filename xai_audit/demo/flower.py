"""Flower heads: rings of petals and a centre, set in space and painted back to front."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from xai_audit.demo import centre, colour, petal, scene, surface

Array = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Ring:
    """One whorl of petals: lengths as shares of the flower's radius, angles in degrees."""

    look: petal.Look
    length: float
    half: float
    count: tuple[int, int] = (5, 5)
    azimuths: tuple[float, ...] = ()
    start: float = 0.05
    height: float = 0.0
    rise: float = 10.0
    twist: float = 0.0
    stray: float = 4.0
    unequal: float = 0.04
    cups_centre: bool = False


@dataclasses.dataclass(frozen=True)
class Species:
    """One flower: its rings from the outside in, its centre, and how it is shown.

    `fill` is the share of its circle that it covers, `reach` how far its petals go in units of the
    rings' lengths, `upright` that its face has a top, `most_lean` (radians) how far it turns away.
    """

    rings: tuple[Ring, ...]
    disc: centre.Disc | None = None
    tuft: centre.Tuft | None = None
    tint: float = 0.05
    fill: float = 0.75
    reach: float = 1.0
    upright: bool = False
    most_lean: float = 0.75


@dataclasses.dataclass(frozen=True)
class Head:
    """One flower head on the canvas: centre (2,) and radius in pixels, and its pose in radians."""

    at: Array
    radius: float
    lean: float
    towards: float
    roll: float


def paint_head(
    canvas: scene.Canvas,
    kind: Species,
    head: Head,
    light: scene.Light,
    rng: np.random.Generator,
) -> None:
    """Paint one head of a species over the canvas."""
    turn = scene.frame(head.lean, head.towards, head.roll)
    seat = scene.Seat(head.at, turn, head.radius / kind.reach)
    openness = rng.normal(0.0, 5.0)
    tint = colour.jitter(rng, np.ones(3, dtype=np.float32), kind.tint)
    centred = False
    for ring in kind.rings:
        poses = _ring_poses(ring, seat, openness, rng)
        look = _varied(ring.look, tint, rng)
        # A trumpet's far half stands behind the stamens, its near half in front of them.
        behind = len(poses) // 2 if ring.cups_centre else len(poses)
        _paint_all(canvas, poses[:behind], look, light, rng)
        if ring.cups_centre:
            _paint_centre(canvas, kind, seat, light, rng)
            _paint_all(canvas, poses[behind:], look, light, rng)
            centred = True
    if not centred:
        _paint_centre(canvas, kind, seat, light, rng)


def _paint_all(
    canvas: scene.Canvas,
    poses: list[surface.Pose],
    look: petal.Look,
    light: scene.Light,
    rng: np.random.Generator,
) -> None:
    for pose in poses:
        bend, cup = look.bend + rng.normal(0.0, 0.05), look.cup + rng.normal(0.0, 0.04)
        petal.paint(canvas, pose, dataclasses.replace(look, bend=bend, cup=cup), light, rng)


def _varied(look: petal.Look, tint: Array, rng: np.random.Generator) -> petal.Look:
    """Return the look with this flower's own shade of colour and curl."""
    colours = np.clip(look.colours * tint, 0.0, 0.97).astype(np.float32)
    return dataclasses.replace(look, colours=colours, bend=look.bend + rng.normal(0.0, 0.05))


def _ring_poses(
    ring: Ring, seat: scene.Seat, openness: float, rng: np.random.Generator
) -> list[surface.Pose]:
    """Return the poses of a ring's petals in painting order."""
    if ring.azimuths:
        angles = np.deg2rad(np.array(ring.azimuths))
    else:
        count = int(rng.integers(*ring.count, endpoint=True))
        angles = 2.0 * np.pi * np.arange(count) / count + rng.uniform(0.0, 2.0 * np.pi)
    angles = angles + np.deg2rad(ring.stray) * rng.normal(size=angles.size)
    poses = [_petal_pose(ring, seat, float(angle), openness, rng) for angle in angles]
    if ring.cups_centre:
        # Far side first: by depth of the direction in which each petal stands.
        depth = seat.turn[2, 0] * np.cos(angles) + seat.turn[2, 1] * np.sin(angles)
        return [poses[i] for i in np.argsort(depth, kind="stable")]
    if ring.azimuths:
        return poses
    return [poses[i] for i in rng.permutation(angles.size)]


def _petal_pose(
    ring: Ring, seat: scene.Seat, angle: float, openness: float, rng: np.random.Generator
) -> surface.Pose:
    """Return the pose of the petal that stands at `angle` (radians) about the flower's axis."""
    start = np.array([np.cos(angle) * ring.start, np.sin(angle) * ring.start, ring.height])
    base = seat.at + seat.radius * (seat.turn @ start)[:2]
    pose = surface.pose_on(
        seat.turn,
        base.astype(np.float32),
        azimuth=angle + 0.02 * rng.normal(),
        rise=float(np.deg2rad(ring.rise + openness + ring.stray * 0.6 * rng.normal())),
        roll=float(np.deg2rad(ring.twist + ring.stray * rng.normal())),
    )
    length = ring.length * seat.radius * (1.0 + ring.unequal * rng.normal())
    half = ring.half * seat.radius * (1.0 + ring.unequal * rng.normal())
    return dataclasses.replace(pose, length=length, half=half)


def _paint_centre(
    canvas: scene.Canvas,
    kind: Species,
    seat: scene.Seat,
    light: scene.Light,
    rng: np.random.Generator,
) -> None:
    if kind.disc is not None:
        disc = dataclasses.replace(kind.disc, radius=kind.disc.radius * rng.uniform(0.9, 1.1))
        centre.paint_disc(canvas, disc, seat, light, rng)
    if kind.tuft is not None:
        centre.paint_tuft(canvas, kind.tuft, seat, light, rng)
