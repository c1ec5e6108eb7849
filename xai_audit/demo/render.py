"""One photo from a class name and a number: layout, layers, camera, planted cue."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from xai_audit.demo import background, camera, flower, foliage, noise, plants, scene, species

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]

SIZE = 256
# Flowers are painted larger and averaged down, which keeps veins and stamens fine.
_FINE = 384
# Heads keep out of the outer band and of the watermark's corner in every class: no plant hides one.
_MARGIN = 0.082
_CORNER = 0.755
_LARGEST = 0.387
# Petals may be a little longer than their flower's nominal radius.
_SLACK = 1.08


@dataclasses.dataclass(frozen=True)
class _Streams:
    """Independent random streams of one photo: leaving the plant out changes nothing else."""

    layout: np.random.Generator
    flower: np.random.Generator
    foliage: np.random.Generator
    backdrop: np.random.Generator
    camera: np.random.Generator
    plant: np.random.Generator


def render_photo(
    class_name: str, index: int, *, split: str = "test", plant: bool = True
) -> tuple[Picture, Picture]:
    """Return photo (256, 256, 3) and mask (256, 256), both uint8.

    The mask is 255 on flower heads, 0 on background, in between on their edges. The same arguments
    give the same pixels in every process. `plant` concerns planted classes only: without it the
    very same flower is shown free of frame or watermark, or before a natural backdrop.
    """
    cue = species.PLANTS.get(class_name, "") if plant else ""
    return render_with_cue(class_name, index, cue, split=split)


def render_with_cue(
    class_name: str, index: int, cue: str, *, split: str = "test"
) -> tuple[Picture, Picture]:
    """Return photo and mask with the cue named, or none (""), whatever the class."""
    kind = species.SPECIES[class_name]
    streams = _streams(class_name, index, split)
    light = scene.draw_light(streams.layout)
    heads = _place_heads(kind, streams.layout)
    head_rgb, head_alpha = _head_layer(kind, heads, light, streams.flower)
    green_rgb, green_alpha = _foliage_layer(heads, light, streams.foliage)
    green_rgb = green_rgb * (1.0 - _shadow(head_alpha, light))[..., None]
    linear = green_rgb + _backdrop(cue, streams) * (1.0 - green_alpha[..., None])
    linear = head_rgb + linear * (1.0 - head_alpha[..., None])
    shot = camera.draw_camera(streams.camera)
    photo = camera.develop(linear * _dapple(streams.camera), shot)
    if cue == species.BORDER:
        photo = plants.framed(photo, streams.plant)
    elif cue == species.CORNER:
        photo = plants.watermarked(photo, streams.plant)
    return photo, np.rint(255.0 * head_alpha).astype(np.uint8)


def jpeg_bytes(photo: Picture, class_name: str, index: int, *, split: str = "test") -> bytes:
    """Return the JPEG file of a rendered photo, at the quality its camera draws."""
    return camera.encode(
        photo, camera.draw_camera(_streams(class_name, index, split).camera).quality
    )


def _streams(class_name: str, index: int, split: str) -> _Streams:
    digest = hashlib.sha256(f"{split}/{class_name}/{index}".encode()).digest()
    seeds = np.random.SeedSequence(int.from_bytes(digest[:16], "big")).spawn(6)
    return _Streams(*(np.random.Generator(np.random.PCG64(seed)) for seed in seeds))


def _place_heads(kind: flower.Species, rng: np.random.Generator) -> list[flower.Head]:
    """Return one to three heads, small ones first, clear of margin and watermark corner."""
    count = int(rng.choice([1, 2, 3], p=[0.68, 0.22, 0.1]))
    cover = rng.uniform(0.14, 0.45) if count == 1 else rng.uniform(0.2, 0.42)
    shares = np.sort(rng.dirichlet(np.full(count, 9.0)))
    towards = rng.normal(-np.pi / 2, 0.9)
    heads: list[flower.Head] = []
    for share in shares[::-1]:
        lean = float(np.clip(rng.normal(0.32, 0.2), 0.0, kind.most_lean))
        radius = min(float(np.sqrt(cover * share / (np.pi * kind.fill * np.cos(lean)))), _LARGEST)
        at, radius = _free_spot(radius, heads, rng)
        roll = rng.normal(0.0, 0.18) if kind.upright else rng.uniform(0.0, 2.0 * np.pi)
        place = (np.array(at) * _FINE).astype(np.float32)
        heads.append(flower.Head(place, radius * _FINE, lean, towards + rng.normal(0.0, 0.3), roll))
    return heads[::-1]


def _free_spot(
    radius: float, taken: list[flower.Head], rng: np.random.Generator
) -> tuple[tuple[float, float], float]:
    """Return a centre (shares of the side) and a radius, shrunk where no place is free."""
    while True:
        for _ in range(25):
            x, y = rng.uniform(_MARGIN + _SLACK * radius, 1.0 - _MARGIN - _SLACK * radius, 2)
            corner = np.hypot(max(_CORNER - x, 0.0), max(_CORNER - y, 0.0))
            separate = all(
                np.hypot(x - h.at[0] / _FINE, y - h.at[1] / _FINE)
                > 0.85 * (radius + h.radius / _FINE)
                for h in taken
            )
            if corner > _SLACK * radius and separate:
                return (float(x), float(y)), radius
        radius *= 0.93


def _head_layer(
    kind: flower.Species, heads: list[flower.Head], light: scene.Light, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the heads' premultiplied colour (SIZE, SIZE, 3) and coverage (SIZE, SIZE)."""
    canvas = scene.Canvas(_FINE)
    for head in heads:
        flower.paint_head(canvas, kind, head, light, rng)
    rgb, alpha = canvas.image()
    return np.stack([_shrunk(rgb[..., c]) for c in range(3)], axis=-1), np.clip(
        _shrunk(alpha), 0.0, 1.0
    )


def _shrunk(field: Array) -> Array:
    """Return a (_FINE, _FINE) field averaged down to (SIZE, SIZE)."""
    picture = Image.fromarray(np.ascontiguousarray(field))
    return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float32)


def _shadow(coverage: Array, light: scene.Light) -> Array:
    """Return how much of the light (SIZE, SIZE) the heads take from the leaves below them."""
    picture = Image.fromarray(np.rint(255.0 * coverage).astype(np.uint8))
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(6.0)), dtype=np.float32) / 255.0
    away = -np.rint(14.0 * light.direction[:2]).astype(int)
    soft = np.roll(soft, (int(away[1]), int(away[0])), axis=(0, 1))
    return np.asarray(0.6 * soft, dtype=np.float32)


def _backdrop(cue: str, streams: _Streams) -> Array:
    """Return what lies behind it all, (SIZE, SIZE, 3) linear: planted wall or natural kind."""
    if cue == species.BACKGROUND:
        return plants.brick_wall(streams.plant, SIZE)
    return background.paint(background.draw_kind(streams.backdrop), streams.backdrop, SIZE)


def _dapple(rng: np.random.Generator) -> Array:
    """Return the unevenness (SIZE, SIZE, 1) of light that has come through trees or past clouds."""
    depth = rng.uniform(0.0, 0.28)
    return (1.0 + depth * noise.smooth(rng, SIZE, 4))[..., None]


def _foliage_layer(
    heads: list[flower.Head], light: scene.Light, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return stems and leaves, softened by depth, as `_head_layer` returns heads."""
    canvas = scene.Canvas(SIZE)
    for head in heads:
        stem = foliage.draw_stem(head.at * (SIZE / _FINE), head.radius * (SIZE / _FINE), SIZE, rng)
        foliage.paint_leaves(canvas, stem, light, rng, reach=0.28 * SIZE)
        foliage.paint_stem(canvas, stem, light, rng)
    rgb, alpha = canvas.image()
    # Eight bits hold dark greens better as square roots.
    layer = np.dstack([np.sqrt(np.clip(rgb, 0.0, 1.0)), np.clip(alpha, 0.0, 1.0)])
    picture = Image.fromarray(np.rint(255.0 * layer).astype(np.uint8), "RGBA")
    soft = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 2.7)))
    out = np.asarray(soft, dtype=np.float32) / 255.0
    return out[..., :3] ** 2, out[..., 3]
