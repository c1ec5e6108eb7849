"""Canvases for the property cues: textured, flat and odd ones, with and without an object."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from xai_audit.types import Canvas, ImageRecord, Preprocess


def textured(seed: int = 0, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """A photo (h, w, 3) whose power falls as that of natural ones; mid-grey, far from clipping."""
    rng = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None])
    fall = 1 / np.maximum(radius, 1 / max(size)) ** 1.25
    planes = []
    for _ in range(3):
        noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(size)) * fall, s=size)
        planes.append(noise / noise.std())
    shared = planes[0]
    pixels = [110 + 22 * shared + 6 * plane for plane in planes]
    return np.stack(pixels, -1).round().clip(0, 255).astype(np.uint8)


def canvas(
    pixels: np.ndarray,
    object_mask: np.ndarray | None = None,
    *,
    path: str | Path = "",
    stored: tuple[int, int] | None = None,
    preprocess: Preprocess | None = None,
) -> Canvas:
    """``pixels`` (h, w, 3) as a canvas of a photo stored at ``stored`` (height, width)."""
    height, width = stored or pixels.shape[:2]
    found = Path(path).stat() if Path(path).is_file() else None
    record = ImageRecord(
        *(str(path) or "a/b.png", str(path), "a", 0, height, width),
        file_bytes=None if found is None else found.st_size,
        mtime_ns=None if found is None else found.st_mtime_ns,
    )
    photo = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    mask = None if object_mask is None else torch.from_numpy(object_mask.astype(np.uint8) * 255)
    return Canvas(record, photo, mask, preprocess or Preprocess())


def stored(pixels: np.ndarray, path: Path, **options: object) -> Canvas:
    """``pixels`` saved by PIL at ``path`` and read again."""
    Image.fromarray(pixels).save(path, **options)
    with Image.open(path) as image:
        return canvas(np.array(image.convert("RGB")), path=path)


def elsewhere(photo: Canvas, content: bytes) -> Canvas:
    """``photo`` with its file's ``content`` in a store instead of on the disk."""
    record = replace(photo.record, path=f"/store/{Path(photo.record.path).name}")
    store = {record.path: content}
    return replace(photo, record=record, opener=lambda path: io.BytesIO(store[path]))


def odd() -> dict[str, Canvas]:
    """Photos with nothing to measure."""
    return {
        "flat": canvas(np.full((40, 60, 3), 90, np.uint8)),
        "black": canvas(np.zeros((40, 60, 3), np.uint8)),
        "white": canvas(np.full((40, 60, 3), 255, np.uint8)),
        "one row": canvas(textured()[:1]),
        "one column": canvas(textured()[:, :1]),
        "one pixel": canvas(textured()[:1, :1]),
        "all object": canvas(textured(), np.ones((120, 160), bool)),
        "missing file": canvas(textured(), path="/nowhere/at/all.jpg"),
        "no path": canvas(textured(), path="\0"),
    }


def disc(size: tuple[int, int] = (120, 160), radius: float = 35) -> np.ndarray:
    """A disc in the middle, (h, w) bool."""
    y, x = np.mgrid[: size[0], : size[1]]
    return (y - size[0] / 2) ** 2 + (x - size[1] / 2) ** 2 < radius**2


def array(photo: torch.Tensor) -> np.ndarray:
    """A photo (3, h, w) as (h, w, 3) int."""
    return photo.permute(1, 2, 0).numpy().astype(int)
