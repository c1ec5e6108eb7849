"""The three planted cues: a wooden photo frame, a corner watermark, a brick wall.

Where each stays, in shares of the photo's side:
- frame: a band of 6.5 to 7.8 % on all four sides, nothing inside it is touched;
- watermark: within 75.5 % .. 91.5 % of both axes, so inside the bottom-right corner square of 25 %
  and outside the outer 8 % border band;
- brick wall: replaces the backdrop behind stems, leaves and flowers, which keep their pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from xai_audit.demo import background, colour, noise

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


def brick_wall(rng: np.random.Generator, size: int) -> Array:
    """Return an old red brick wall, slightly out of focus, (size, size, 3) float32 linear."""
    rows = rng.uniform(9.0, 12.5)
    slope, drift = rng.normal(0.0, 0.03), rng.uniform(0.0, 1.0, 2)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    warp = 0.002 * noise.fractal(rng, size, 12, octaves=3)
    course = (y + slope * x + warp) * rows + drift[0]
    row = np.floor(course)
    column = (x - slope * y + warp) * rows / 2.9 + drift[1] + 0.5 * (row % 2)
    brick = np.floor(column)
    deep, long = course - row, column - brick
    gap = np.minimum(np.minimum(deep, 1.0 - deep), 2.9 * np.minimum(long, 1.0 - long))
    body = np.clip((gap - 0.055) / 0.05, 0.0, 1.0)
    key = ((row * 7 + brick * 13) % 64).astype(np.int64)
    tones = colour.jitter(rng, colour.hex_linear("96503a"), 0.06) * (
        1.0 + 0.18 * rng.normal(size=(64, 1))
    )
    tones = tones * (1.0 + 0.05 * rng.normal(size=(64, 3)))
    rough = noise.fractal(rng, size, 30, octaves=3)
    face = (
        np.clip(tones, 0.02, 0.9)[key]
        * (1.0 + 0.12 * rough + 0.1 * noise.fractal(rng, size, 4))[..., None]
    )
    mortar = colour.hex_linear("a59a8c") * (0.8 + 0.1 * rough)[..., None]
    relief = np.gradient(body)[0] * 0.5
    wall = (mortar + body[..., None] * (face - mortar)) * (1.0 + relief)[..., None]
    return background.blurred(
        np.clip(wall, 0.0, 1.0).astype(np.float32), rng.uniform(0.004, 0.009) * size
    )


def framed(photo: Picture, rng: np.random.Generator) -> Picture:
    """Return the photo (S, S, 3) with a wooden frame over its outermost 6.5 to 7.8 %."""
    size = photo.shape[0]
    wide = int(rng.integers(round(0.065 * size), int(0.078 * size) + 1))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    depth = np.minimum(np.minimum(x, size - 1 - x), np.minimum(y, size - 1 - y))
    upright = np.minimum(x, size - 1 - x) < np.minimum(y, size - 1 - y)
    along, across = np.where(upright, y, x), np.where(upright, x, y)
    shift = rng.uniform(0.0, 256.0, 3)
    rings = noise.sample_tile(across * 3.5 + 8.0 * upright, along * 0.22 + shift[0])
    fibre = noise.sample_tile(across * 9.0 + shift[1], along * 0.7 + shift[2])
    oak = colour.jitter(rng, colour.hex_linear("8a5a32"), 0.06)
    wood = oak * (1.0 + 0.24 * rings + 0.12 * fibre)[..., None]
    t = depth / wide
    # A rounded moulding: bright crest, dark outer edge, a gilt lip next to the picture.
    profile = 0.62 + 0.75 * np.clip(np.sin(np.pi * np.clip(t, 0.0, 1.0)), 0.0, 1.0) ** 0.8
    side = np.where(
        upright, np.where(x < size / 2, 0.06, -0.1), np.where(y < size / 2, 0.16, -0.12)
    )
    lip = np.exp(-(((t - 0.84) / 0.07) ** 2))[..., None]
    wood = wood * (profile * (1.0 + side))[..., None]
    wood = wood + lip * (colour.hex_linear("d9b25a") * (1.0 + 0.2 * fibre)[..., None] - wood)
    wood = wood * np.where(depth >= wide - 1, 0.35, 1.0)[..., None]
    levels = np.rint(colour.to_srgb(wood.astype(np.float32))).astype(np.uint8)
    return np.where((depth < wide)[..., None], levels, photo)


def watermarked(photo: Picture, rng: np.random.Generator) -> Picture:
    """Return the photo (S, S, 3) with a translucent "(c) garden photo" in its lower right."""
    size = photo.shape[0]
    low, high = int(np.ceil(0.755 * size)), int(0.915 * size)
    side = high - low
    stamp = Image.new("L", (side * 4, side * 4), 0)
    pen = ImageDraw.Draw(stamp)
    font = ImageFont.load_default(size=side)
    for line, top in (("\N{COPYRIGHT SIGN}", 0.02), ("garden", 0.42), ("photo", 0.7)):
        _write(stamp, line, font, top)
    _leaf_mark(pen, side * 4)
    ink = np.asarray(stamp.resize((side, side), Image.Resampling.BOX), dtype=np.float32) / 255.0
    # A soft dark halo, as stock-photo sites add it: the text stays legible on white petals and sky.
    halo = Image.fromarray(np.rint(255.0 * ink).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(1.4)
    )
    dark = np.clip(np.asarray(halo, dtype=np.float32) / 150.0, 0.0, 1.0)
    strength = rng.uniform(0.8, 0.92)
    patch = photo[low:high, low:high].astype(np.float32)
    patch *= (1.0 - 0.5 * dark)[..., None]
    patch += strength * ink[..., None] * (250.0 - patch)
    out = photo.copy()
    out[low:high, low:high] = np.rint(patch).astype(np.uint8)
    return out


def _write(
    stamp: Image.Image, line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, top: float
) -> None:
    """Set a line of bold text into the stamp, fitted to its width, or the sign to a square."""
    side, single = stamp.width, len(line) == 1
    bold = 0 if single else max(side // 80, 1)
    x0, y0, x1, y1 = font.getbbox(line, stroke_width=bold)
    glyphs = Image.new("L", (int(x1 - x0), int(y1 - y0)), 0)
    pen = ImageDraw.Draw(glyphs)
    pen.text((-x0, -y0), line, fill=255, font=font, stroke_width=bold, stroke_fill=255)
    wide, tall = (0.36, 0.36) if single else (0.96, 0.28)
    fitted = glyphs.resize((int(wide * side), int(tall * side)), Image.Resampling.LANCZOS)
    stamp.paste(fitted, (int((0.1 if single else 0.02) * side), int(top * side)))


def _leaf_mark(pen: ImageDraw.ImageDraw, side: int) -> None:
    along = np.linspace(0.0, 1.0, 12)
    half = 0.13 * np.sin(np.pi * along) ** 0.8
    c = np.sqrt(0.5)
    px, py = np.r_[along, along[::-1]] * 0.42, np.r_[half, -half[::-1]]
    points = [
        (float((0.56 + c * a - c * b) * side), float((0.36 - c * a - c * b) * side))
        for a, b in zip(px, py, strict=True)
    ]
    pen.polygon(points, fill=255)
