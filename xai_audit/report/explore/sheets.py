"""Sheets of pictures: photos as the model sees them, beside them heatmaps and masks as numbers.

Why sheets: a picture each would be as many files as photos. Why heatmaps and masks are numbers and
not pictures: the page colours them on a canvas, under any opacity, and a canvas may not read the
pixels of a picture that came from the disk.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from xai_audit.errors import ImageProblem
from xai_audit.report.explore.slices import script
from xai_audit.report.material import gather, read_heatmaps
from xai_audit.report.overlay import open_photo
from xai_audit.report.picture import digest
from xai_audit.run.files import replacing, write_text
from xai_audit.vision.geometry import view

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.report.draw import MaskOf
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import Photo
    from xai_audit.run.reader import Run
    from xai_audit.types import Preprocess
    from xai_audit.vision.geometry import Geometry
    from xai_audit.vision.opening import Opener

# Raised whenever the same photos are drawn differently.
DRAWING = 1
# Pictures along each side of a sheet, the longer side of a picture, of a mask and, at most, of a
# heatmap, px.
SIDE, TILE, MASK, GRID = 6, 192, 96, 32
_QUALITY = 82
# Shorter side of a photo that is decoded for a view of a small part of it, px.
_MOST = 2048
_BLANK = (128, 128, 128)


@dataclass(frozen=True)
class Sheet:
    """Pictures of some photos in one file.

    Attributes:
        name: of its files, without the ending; it carries a hash of all that is drawn.
        rows: of the photos, in the order of the pictures: row by row.
        image_ids: of the same.
        class_name: whose heatmaps they have, of photos with several labels; else None.
    """

    name: str
    rows: tuple[int, ...]
    image_ids: tuple[str, ...]
    class_name: str | None = None


@dataclass(frozen=True)
class Source:
    """Where the pictures come from.

    Attributes:
        kinds: method -> target kind of the heatmaps.
        preprocess: of the model.
        mask_of: image_id -> the object (H, W) in the upright photo, or None; may raise MaskProblem.
        opener: the dataset's, which reads its photos; None for local files.
    """

    kinds: dict[str, str]
    preprocess: Preprocess
    mask_of: MaskOf
    opener: Opener | None = None


def plan_sheets(
    run: Run,
    listed: Iterable[tuple[int, str, str | None]],
    kinds: dict[str, str],
    *,
    facts: RunFacts,
    masks: str,
) -> list[Sheet]:
    """The sheets of the photos ``listed`` (row, image id, class); none is read.

    Args:
        run: with its tables.
        listed: in the order of the rows; the class is None but of photos with several labels, whose
            sheets are of one class each.
        kinds: method -> target kind of the heatmaps.
        facts: of the run.
        masks: fingerprint of the object masks.
    """
    found: list[Sheet] = []
    groups: dict[str | None, list[tuple[int, str]]] = {}
    for row, image_id, class_name in listed:
        groups.setdefault(class_name, []).append((row, image_id))
    for class_name, own in groups.items():
        keys = {(image_id, method) for _, image_id in own for method in kinds}
        material = gather(run, keys, kinds, root=facts.dataset_root, class_name=class_name)
        for start in range(0, len(own), SIDE**2):
            rows, ids = zip(*own[start : start + SIDE**2], strict=True)
            photos = tuple(material.photos[image_id] for image_id in ids)
            heatmaps = [material.heatmaps.get((one, method)) for one in ids for method in kinds]
            look = (DRAWING, SIDE, TILE, MASK, GRID, facts.preprocess, masks)
            name = f"sheet-{len(found):04d}-{digest(look, photos, kinds, heatmaps)}"
            found.append(Sheet(name, rows, ids, class_name))
    return found


def draw_sheet(
    run: Run, sheet: Sheet, photos: Mapping[str, Photo], source: Source, folder: Path
) -> None:
    """Write the two files of ``sheet``; one of ``photos`` that cannot be read is left grey.

    Raises:
        OutputError: the heatmaps cannot be read.
    """
    kinds, preprocess = source.kinds, source.preprocess
    keys = {(image_id, method) for image_id in sheet.image_ids for method in kinds}
    heatmaps = dict(read_heatmaps(run, keys, kinds, class_name=sheet.class_name))
    width, height = tile_size(preprocess, TILE)
    whole, drawn = Image.new("RGB", (width * SIDE, height * SIDE), _BLANK), []
    masks: list[str | None] = []
    for number, image_id in enumerate(sheet.image_ids):
        photo = photos[image_id]
        tile, mask = _tile(photo, preprocess, source.opener), None
        if tile is not None:
            whole.paste(tile, (number % SIDE * width, number // SIDE * height))
            mask = _mask(photo, preprocess, source.mask_of)
        drawn.append(int(tile is not None))
        masks.append(mask)
    heat = {
        method: [_heat(heatmaps.get((image_id, method))) for image_id in sheet.image_ids]
        for method in kinds
    }
    pictures, numbers = files_of(sheet.name, folder)
    with replacing(pictures) as temporary:
        whole.save(temporary, format="JPEG", quality=_QUALITY)
    write_text(numbers, script(sheet.name, {"drawn": drawn, "masks": masks, "heat": heat}))


def tile_size(preprocess: Preprocess, longer: int) -> tuple[int, int]:
    """(width, height) in px of the model's view with a longer side of ``longer``."""
    height, width = preprocess.crop
    scale = longer / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _tile(photo: Photo, preprocess: Preprocess, opener: Opener | None) -> Image.Image | None:
    """The model's view of a photo; None where it cannot be read."""
    if photo.path is None:
        return None
    size = tile_size(preprocess, TILE)
    resized = view((photo.height or 1, photo.width or 1), preprocess).resized
    shorter = -(-min(resized) * max(size) // max(preprocess.crop))
    side = min(max(shorter, 1), _MOST)
    found = open_photo(photo.path, side, opener, size=photo.stamp[0])
    return None if found is None else in_view(found[0], view(found[1], preprocess), size)


def _mask(photo: Photo, preprocess: Preprocess, mask_of: MaskOf) -> str | None:
    """The object in the model's view, a bit a pixel, as base64; None without a mask."""
    try:
        mask = mask_of(photo.image_id)
    except ImageProblem:
        return None
    if mask is None:
        return None
    coverage = np.asarray(mask, np.uint8)  # 0/1, bool or 0..255
    inside = Image.fromarray((coverage > coverage.max(initial=0) / 2).astype(np.uint8) * 255)
    geometry = view((inside.height, inside.width), preprocess)
    seen = in_view(inside, geometry, tile_size(preprocess, MASK))
    return base64.b64encode(np.packbits(np.asarray(seen) > 127).tobytes()).decode()


def in_view(image: Image.Image, geometry: Geometry, size: tuple[int, int]) -> Image.Image:
    """The model's view of the whole photo ``image``, of any scale, at ``size`` (width, height).

    What the view has beyond the photo is black, as in the model's input.
    """
    scale_x, scale_y = image.width / geometry.resized[1], image.height / geometry.resized[0]
    left, top = geometry.left * scale_x, geometry.top * scale_y
    right, bottom = left + geometry.crop[1] * scale_x, top + geometry.crop[0] * scale_y
    box = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    across, down = size[0] / (right - left), size[1] / (bottom - top)
    start = round((box[0] - left) * across), round((box[1] - top) * down)
    stop = round((box[2] - left) * across), round((box[3] - top) * down)
    part = max(1, stop[0] - start[0]), max(1, stop[1] - start[1])
    found = Image.new(image.mode, size)
    found.paste(image.resize(part, Image.Resampling.BILINEAR, box=box), start)
    return found


def _heat(heatmap: NDArray[np.float32] | None) -> list[Any] | None:
    """Height, width and the relevance 0..255 of its own maximum as base64; None without any."""
    if heatmap is None:
        return None
    relevance = np.nan_to_num(heatmap, nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    most = relevance.max(initial=0.0)
    if most <= 0:
        return None
    image = Image.fromarray((relevance / most).astype(np.float32))
    if max(image.size) > GRID:
        small = [max(1, round(side * GRID / max(image.size))) for side in image.size]
        image = image.resize((small[0], small[1]), Image.Resampling.BOX)
    share = np.asarray(image)
    level = np.round(255 * share / max(float(share.max()), 1e-12)).astype(np.uint8)
    return [*level.shape, base64.b64encode(level.tobytes()).decode()]


def files_of(name: str, folder: Path) -> tuple[Path, Path]:
    """The files of a sheet: the photos, and the heatmaps and masks."""
    return folder / f"{name}.jpg", folder / f"{name}.js"


def is_drawn(name: str, folder: Path) -> bool:
    """Whether the sheet ``name`` has its files."""
    return all(file.is_file() for file in files_of(name, folder))
