"""Artefacts for photos (H, W, 3) uint8, and which cue each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

CORNERS = (
    "corner_top_left", "corner_top_right", "corner_bottom_left", "corner_bottom_right",
)  # fmt: skip
REGIONS = ("border", *CORNERS, "background")
PHOTO_WIDE = ("colour", "brightness", "contrast", "sharpness", "resolution", "jpeg_quality", "file")


@dataclass(frozen=True)
class Plant:
    """An artefact.

    Attributes:
        kind: a function of this module.
        cue: the cue that it is.
        keys: its arguments.
    """

    kind: str
    cue: str
    keys: tuple[tuple[str, Any], ...] = ()

    def on(self, photo: Picture, mask: Picture, seed: int) -> Picture:
        """``photo`` with the artefact; ``mask`` is 255 on the object, ``seed`` is the photo's."""
        rng = np.random.default_rng(seed)
        return KINDS[self.kind](photo, mask, rng, **dict(self.keys))

    @property
    def needs_mask(self) -> bool:
        """Whether it must know where the object is."""
        return self.kind in {"backdrop", "sticker"}

    @property
    def takes_away(self) -> bool:
        """Whether it loses detail, so that a photo without it is distinctive too."""
        return self.kind in {"blur", "jpeg"}

    @property
    def quality(self) -> int | None:
        """The JPEG quality of its file, where the artefact is that."""
        return dict(self.keys)["quality"] if self.kind == "jpeg" else None

    @property
    def left_out(self) -> frozenset[str]:
        """The other cues that hold planted pixels, on which no truth is measured.

        A property of the whole photo holds every pixel, so it is always one of them.
        """
        overlapping = {
            "border": {"background", *CORNERS},
            "background": {"border", *CORNERS},
            **{corner: {"background", "border"} for corner in CORNERS},
        }
        return frozenset(overlapping.get(self.cue, REGIONS)) | frozenset(PHOTO_WIDE) - {self.cue}


def frame(
    photo: Picture, mask: Picture, rng: np.random.Generator, *, look: str, width: float
) -> Picture:
    """A band round the photo, ``width`` of its shorter side."""
    del mask
    height, across = photo.shape[:2]
    band = max(round(width * min(height, across)), 2)
    y, x = np.mgrid[:height, :across]
    edge = np.minimum.reduce([y, x, height - 1 - y, across - 1 - x])
    paint = {
        "flat": lambda: np.broadcast_to(np.array([28, 44, 110]), photo.shape),
        "stripes": lambda: np.where((x + y)[..., None] // 6 % 2, (120, 30, 30), (225, 215, 190)),
        "checker": lambda: np.where((x // 7 + y // 7)[..., None] % 2, 30, 235) * np.ones(3),
        "wood": lambda: (
            np.array([150, 100, 55])
            + 25 * np.sin(edge[..., None] / 1.7 + rng.uniform(0, 6))
            + rng.normal(0, 10, (height, across, 1))
        ),
        "vignette": lambda: photo * (edge / band)[..., None] ** 1.5,
    }[look]()
    return _bytes(np.where((edge < band)[..., None], paint, photo))


def text(
    photo: Picture, mask: Picture, rng: np.random.Generator, *, corner: str, words: str
) -> Picture:
    """A light watermark with a dark shadow, within a corner of a quarter of the shorter side."""
    del mask
    image = Image.fromarray(photo)
    draw = ImageDraw.Draw(image)
    short = min(image.size)
    margin = short // 40 + int(rng.integers(0, 3))
    for size in range(short // 8, 5, -1):
        font = ImageFont.load_default(size=size)
        left, top, right, bottom = draw.textbbox((0, 0), words, font=font)
        if max(right - left, bottom - top) <= short / 4 - margin - 1:
            break
    x = margin if "left" in corner else image.width - margin - (right - left)
    y = margin if "top" in corner else image.height - margin - (bottom - top)
    draw.text((x + 1 - left, y + 1 - top), words, fill=(20, 20, 20), font=font)
    draw.text((x - left, y - top), words, fill=(250, 250, 240), font=font)
    return np.asarray(image)


def backdrop(photo: Picture, mask: Picture, rng: np.random.Generator, *, look: str) -> Picture:
    """Another background behind the object."""
    height, across = photo.shape[:2]
    y, x = np.mgrid[:height, :across]
    if look == "brick":
        row = y // 14
        joint = (y % 14 < 2) | ((x + (row % 2) * 16) % 32 < 2)
        wall = np.where(joint[..., None], (190, 185, 175), (165, 75, 55))
        wall = wall + rng.normal(0, 9, photo.shape)
    elif look == "cloth":
        weave = 12 * np.sin(x / 1.3)[..., None] + 12 * np.sin(y / 1.3)[..., None]
        wall = np.array([70, 80, 140]) + weave + rng.normal(0, 6, photo.shape)
    else:  # sand
        coarse = rng.normal(0, 30, (height // 4 + 1, across // 4 + 1)).repeat(4, 0).repeat(4, 1)
        wall = np.array([205, 180, 130]) + coarse[:height, :across, None]
        wall = wall + rng.normal(0, 10, photo.shape)
    soft = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(1.2))
    alpha = (np.asarray(soft) / 255)[..., None]
    return _bytes(photo * alpha + wall * (1 - alpha))


def sticker(photo: Picture, mask: Picture, rng: np.random.Generator, *, side: float) -> Picture:
    """A round sticker off the border and off the object, or where it hides least of it."""
    height, across = photo.shape[:2]
    radius = side * min(height, across) / 2
    y, x = np.mgrid[:height, :across]
    inner = 0.09 * min(height, across) + radius
    hidden = np.inf
    for _ in range(200):
        cy, cx = rng.uniform(inner, height - inner), rng.uniform(inner, across - inner)
        tried = (y - cy) ** 2 + (x - cx) ** 2
        if (covers := (mask[tried < (radius + 3) ** 2] > 127).mean()) < hidden:
            hidden, disc = covers, tried
        if hidden == 0:
            break
    ring = (disc < radius**2) & (disc > (0.6 * radius) ** 2)
    out = np.where((disc < radius**2)[..., None], (250, 220, 40), photo)
    return _bytes(np.where(ring[..., None], (20, 60, 200), out))


def cast(
    photo: Picture, mask: Picture, rng: np.random.Generator, *, gains: tuple[float, ...]
) -> Picture:
    """A colour cast."""
    del mask, rng
    return _bytes(photo * np.array(gains))


def blur(photo: Picture, mask: Picture, rng: np.random.Generator, *, sigma: float) -> Picture:
    """A blurred photo."""
    del mask, rng
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(sigma)))


def jpeg(photo: Picture, mask: Picture, rng: np.random.Generator, *, quality: int) -> Picture:
    """The photo as it is: :attr:`Plant.quality` of its file is the artefact."""
    del mask, rng, quality
    return photo


def _bytes(values: NDArray[Any]) -> Picture:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


KINDS: dict[str, Callable[..., Picture]] = {
    "frame": frame, "text": text, "backdrop": backdrop, "sticker": sticker, "cast": cast,
    "blur": blur, "jpeg": jpeg,
}  # fmt: skip
