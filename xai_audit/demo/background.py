"""Natural backdrops out of the depth of field: foliage, meadow, sky, soil, gravel and deep shade.

Every honest class draws its backdrop from the same kinds with the same chances. Fields are
(S, S, 3) float32 in linear light.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from xai_audit.demo import colour, noise

Array = NDArray[np.float32]

_MEADOW_SPOTS = ("f4f1e4", "f2d04a", "c86aa8", "8a6ac8", "e8e0f0", "d84a30", "f0a838")


def paint(kind: str, rng: np.random.Generator, size: int) -> Array:
    """Return the backdrop of a kind in KINDS, (size, size, 3) float32 linear."""
    return _PAINTERS[kind](rng, size)


def draw_kind(rng: np.random.Generator) -> str:
    """Return one of KINDS, green ones more often."""
    return str(rng.choice(KINDS, p=_CHANCES))


def blurred(linear: Array, radius: float) -> Array:
    """Return the field blurred by a Gaussian of `radius` pixels, in 8-bit sRGB for speed."""
    picture = Image.fromarray(np.rint(colour.to_srgb(linear)).astype(np.uint8))
    return colour.to_linear(np.asarray(picture.filter(ImageFilter.GaussianBlur(radius))))


def _foliage(rng: np.random.Generator, size: int) -> Array:
    """Layers of leaves, each less blurred than the one behind, and discs of stray light."""
    hue = rng.uniform(0.0, 1.0)
    deep = colour.hex_linear("16260f") * (1 - hue) + colour.hex_linear("24371c") * hue
    field = rng.uniform(0.9, 2.2) * deep * (1.0 + 0.35 * noise.fractal(rng, size, 3)[..., None])
    tones = [colour.hex_linear(code) for code in ("2c4a1a", "47692a", "6b8a3a", "8aa04e", "37592f")]
    for blur, count, reach in ((0.06, 26, 0.22), (0.032, 22, 0.16), (0.018, 10, 0.12)):
        layer = Image.fromarray(np.rint(colour.to_srgb(field)).astype(np.uint8))
        pen = ImageDraw.Draw(layer)
        for _ in range(count):
            tone = colour.jitter(
                rng, tones[int(rng.integers(len(tones)))] * rng.uniform(0.4, 1.5), 0.12
            )
            pen.polygon(_leaf_outline(rng, size, reach), fill=_ink(tone))
        softened = layer.filter(ImageFilter.GaussianBlur(blur * size * rng.uniform(0.8, 1.2)))
        field = colour.to_linear(np.asarray(softened))
    sunlit = 1.0 + rng.uniform(0.0, 0.5) * np.clip(noise.smooth(rng, size, 3), -0.6, 1.0)
    return _with_bokeh(field * sunlit[..., None], rng, int(rng.choice([0, 0, 6, 14, 26])))


def _leaf_outline(rng: np.random.Generator, size: int, reach: float) -> list[tuple[float, float]]:
    x, y = rng.uniform(-0.05, 1.05, 2) * size
    length, width = reach * size * rng.uniform(0.6, 1.3), reach * size * rng.uniform(0.12, 0.32)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = np.linspace(0.0, 1.0, 9)
    side = width * np.sin(np.pi * along) ** 0.8
    px, py = np.r_[along, along[::-1]] * length, np.r_[side, -side[::-1]]
    c, s = np.cos(angle), np.sin(angle)
    return [
        (float(x + c * a - s * b), float(y + s * a + c * b)) for a, b in zip(px, py, strict=True)
    ]


def _with_bokeh(field: Array, rng: np.random.Generator, count: int) -> Array:
    """Return the field with a cluster of out-of-focus highlights: flat discs, brighter rims."""
    size = field.shape[0]
    field = field.copy()
    heart = rng.uniform(0.0, 1.0, 2) * (1.0, 0.6)
    wide = rng.uniform(0.022, 0.06)
    for _ in range(count):
        radius = wide * size * rng.uniform(0.8, 1.2)
        x, y = (heart + rng.normal(0.0, 0.28, 2)) * size
        x0, x1 = max(int(x - radius) - 3, 0), min(int(x + radius) + 4, size)
        y0, y1 = max(int(y - radius) - 3, 0), min(int(y + radius) + 4, size)
        if x1 <= x0 or y1 <= y0:
            continue
        far = np.hypot(np.arange(x0, x1) - x, (np.arange(y0, y1) - y)[:, None])
        disc = np.clip((radius - far) / 3.5 + 0.5, 0.0, 1.0) * (0.85 + 0.15 * (far / radius) ** 2)
        glow = colour.jitter(rng, colour.hex_linear("a9bd6c"), 0.2) * rng.uniform(0.03, 0.3) ** 1.2
        field[y0:y1, x0:x1] += (disc[..., None] * glow).astype(np.float32)
    return field


def _meadow(rng: np.random.Generator, size: int) -> Array:
    """Grass blades in two depths with blurred spots of far flowers."""
    far = np.linspace(1.25, 0.7, size, dtype=np.float32)[:, None, None]
    field = (
        colour.jitter(rng, colour.hex_linear("46612a"), 0.2)
        * far
        * (1.0 + 0.2 * noise.fractal(rng, size, 4)[..., None])
    )
    field = np.clip(field, 0.0, 1.0)
    layer = Image.fromarray(np.rint(colour.to_srgb(field)).astype(np.uint8))
    pen = ImageDraw.Draw(layer)
    for _ in range(int(rng.integers(0, 22))):
        spot = colour.jitter(
            rng, colour.hex_linear(_MEADOW_SPOTS[int(rng.integers(len(_MEADOW_SPOTS)))]), 0.1
        )
        (x, y), r = rng.uniform(0.0, size, 2), rng.uniform(0.008, 0.022) * size
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_ink(spot * 0.8))
    for blur, count, wide in ((0.022, 130, 0.016), (0.008, 70, 0.011)):
        for _ in range(count):
            _blade(pen, rng, size, wide)
        layer = layer.filter(ImageFilter.GaussianBlur(blur * size * rng.uniform(0.8, 1.4)))
        pen = ImageDraw.Draw(layer)
    return colour.to_linear(np.asarray(layer))


def _blade(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: int, wide: float) -> None:
    x, y = rng.uniform(-0.1, 1.1) * size, rng.uniform(0.25, 1.25) * size
    length, bow = rng.uniform(0.2, 0.55) * size, rng.normal(0.0, 0.14) * size
    t = np.linspace(0.0, 1.0, 6)
    px, py = x + bow * t**2 + rng.normal(0, 0.03) * size * t, y - length * t
    half = wide * size * rng.uniform(0.4, 0.9) * (1.0 - t) ** 0.7
    tone = colour.jitter(rng, colour.hex_linear("66823a") * rng.uniform(0.25, 1.8), 0.15)
    points = np.r_[np.c_[px - half, py], np.c_[px + half, py][::-1]]
    pen.polygon([(float(a), float(b)) for a, b in points], fill=_ink(tone))


def _sky(rng: np.random.Generator, size: int) -> Array:
    """Blue sky with faint clouds over a far blurred line of trees."""
    height = np.linspace(0.0, 1.0, size, dtype=np.float32)[:, None, None]
    blue = colour.jitter(rng, colour.hex_linear("5a8cc4"), 0.08)
    field = blue * (1 - height) + colour.hex_linear("b4cce0") * height
    cloud = np.clip(noise.fractal(rng, size, 3) * 0.5 - rng.uniform(-0.1, 0.5), 0.0, 1.0)[..., None]
    field = field + np.clip(cloud * 1.1, 0.0, 0.8) * (colour.hex_linear("eef0f2") - field)
    edge = rng.uniform(0.55, 1.0) + 0.06 * noise.smooth(rng, size, 7)[:1].T[None, :, 0]
    wood = np.clip((height[..., 0] - edge) * 14.0 + 0.5, 0.0, 1.0)[..., None]
    trees = colour.hex_linear("35502a") * (1.0 + 0.25 * noise.fractal(rng, size, 8)[..., None])
    return blurred(field + wood * (np.clip(trees, 0, 1) - field), 0.012 * size)


def _soil(rng: np.random.Generator, size: int) -> Array:
    """Dark crumbly earth with a few green sprouts, lit from above."""
    relief = noise.fractal(rng, size, 9, octaves=5, gain=0.62)
    down, right = np.gradient(relief)
    lit = np.clip(0.75 + 0.9 * (down + 0.5 * right), 0.25, 1.6) * np.clip(
        0.85 + 0.22 * relief, 0.3, 1.5
    )
    earth = colour.jitter(rng, colour.hex_linear("5d4632"), 0.12)
    dry = colour.hex_linear("8a7458")
    patch = np.clip(0.5 + 0.4 * noise.fractal(rng, size, 3), 0.0, 1.0)[..., None]
    field = (earth + 0.5 * patch * (dry - earth)) * lit[..., None]
    return blurred(np.clip(field, 0.0, 1.0), rng.uniform(0.004, 0.012) * size)


def _gravel(rng: np.random.Generator, size: int) -> Array:
    """Pebbles: cells of a jittered grid, each with its own grey and a rounded top."""
    cells = int(rng.integers(13, 24))
    nearest, second, owner = _cells(rng, size, cells)
    stone = rng.uniform(0.35, 1.0, (cells + 2, cells + 2, 1)) * np.array([1.0, 0.95, 0.87])
    stone = stone * (1.0 + 0.025 * rng.normal(size=(cells + 2, cells + 2, 3)))
    edge = np.clip((second - nearest) * 2.2, 0.0, 1.0)
    tops = np.sqrt(edge)
    down, right = np.gradient(tops)
    lit = np.clip(0.75 + (down + 0.5 * right) * size / cells * 0.35, 0.1, 1.5) * (
        0.25 + 0.75 * tops
    )
    grain = 1.0 + 0.08 * noise.fractal(rng, size, 40, octaves=2)
    tint = colour.jitter(rng, colour.hex_linear("a39c90"), 0.08)
    field = tint * stone.reshape(-1, 3)[owner] * (lit * grain)[..., None]
    return blurred(np.clip(field, 0.0, 1.0).astype(np.float32), rng.uniform(0.006, 0.018) * size)


def _cells(
    rng: np.random.Generator, size: int, cells: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return distances to the two nearest seeds, in cells, and the nearest one's flat index."""
    seeds = rng.uniform(0.12, 0.88, (cells + 2, cells + 2, 2)).astype(np.float32)
    place = (np.arange(size, dtype=np.float32) + 0.5) * (cells / size) + 1.0
    home = place.astype(np.int64)
    nearest = np.full((size, size), 9.0, dtype=np.float32)
    second, owner = nearest.copy(), np.zeros((size, size), dtype=np.int64)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, col = home[:, None] + dy, home[None, :] + dx
            seed = seeds[row, col]
            far = np.hypot(row + seed[..., 0] - place[:, None], col + seed[..., 1] - place[None, :])
            closer = far < nearest
            second = np.where(closer, nearest, np.minimum(second, far))
            owner = np.where(closer, row * (cells + 2) + col, owner)
            nearest = np.where(closer, far, nearest)
    return nearest, second, owner


def _shade(rng: np.random.Generator, size: int) -> Array:
    """Deep, nearly black green shade with a soft lighter side."""
    tone = colour.jitter(rng, colour.hex_linear("1c2a1a"), 0.2)
    veil = np.clip(
        1.0 + 0.5 * noise.smooth(rng, size, 2) + 0.12 * noise.fractal(rng, size, 4), 0.1, 3.0
    )
    return _with_bokeh(tone * veil[..., None], rng, int(rng.integers(0, 5)))


def _ink(linear: Array) -> tuple[int, int, int]:
    red, green, blue = np.rint(colour.to_srgb(np.asarray(linear, dtype=np.float32)))
    return int(red), int(green), int(blue)


_PAINTERS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "foliage": _foliage,
    "meadow": _meadow,
    "sky": _sky,
    "soil": _soil,
    "gravel": _gravel,
    "shade": _shade,
}
KINDS: tuple[str, ...] = tuple(_PAINTERS)
_CHANCES = (0.32, 0.26, 0.12, 0.1, 0.1, 0.1)
