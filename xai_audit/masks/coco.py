"""Masks from a COCO annotation file (Lin et al., ECCV 2014)."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xai_audit.errors import ConfigError, DatasetError, MaskProblem
from xai_audit.masks._coverage import AMBIGUOUS, CORRUPT, EMPTY, FULL, MISSING, same_size
from xai_audit.masks._segmentation import pycocotools_mask, union
from xai_audit.masks._sources import (
    annotation_file,
    as_image_id,
    file_stamp,
    mask_file,
    reason,
    shown,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

log = logging.getLogger(__name__)

# What is relied on, and becomes keys here: each must be there and be plain.
_KEYS = {
    "images": ("id", "file_name"),
    "annotations": ("image_id",),
    "categories": ("id", "name"),
}


class _Listed(NamedTuple):
    """One image of the file: its size where given, its annotations as compressed JSON."""

    size: tuple[int, int] | None
    packed: bytes


class CocoMasks:
    """The union of an image's annotations is object, ``iscrowd`` regions are void.

    An annotation without a segmentation is its ``bbox``; what lies outside the photo is cut off.

    An image is found by ``file_name`` = image_id, else by a base name that occurs once. A pixel
    both in a crowd and in an annotation of its own is object; other categories are background.

    Args:
        file: COCO JSON with ``images`` and ``annotations``.
        categories: names or ids that count as object, None for all.
    """

    def __init__(self, *, file: str, categories: Sequence[str | int] | None) -> None:
        pycocotools_mask()
        path = mask_file(file)
        self._file = shown(path)
        self._stamp = f"coco {file_stamp(path)} categories={categories}"
        content = _content(annotation_file(path))
        self._images = _listed(content, _wanted(content, categories), self._file)
        self._names: dict[str, tuple[str, ...]] = {}
        for name in self._images:
            base = PurePosixPath(name).name
            # Two are enough to say that it is ambiguous.
            self._names[base] = (*self._names.get(base, ()), name)[:2]

    def load(self, image: ImageRecord) -> NDArray[np.uint8]:
        """The photo's coverage (2, height, width) uint8; MaskProblem where it has none."""
        name, listed = self._found(image)
        if listed.size is not None:
            same_size(*listed.size, image, what=f"{name} in {self._file}")
        size = (image.height, image.width)
        annotations = json.loads(zlib.decompress(listed.packed))
        try:
            is_object, is_crowd = (
                union([shape for crowd, shape in annotations if crowd == wanted], *size)
                for wanted in (False, True)
            )
        # ArithmeticError: an integer that no float can hold.
        except (ValueError, ArithmeticError) as exc:
            raise MaskProblem(CORRUPT, f"{name} in {self._file}: {exc}") from exc
        if not is_object.any():
            raise MaskProblem(
                EMPTY, f"{name} in {self._file}: no pixel in its {len(annotations)} annotations"
            )
        is_background = ~is_object & ~is_crowd
        return np.stack([is_object, is_background]).astype(np.uint8) * np.uint8(FULL)

    def _found(self, image: ImageRecord) -> tuple[str, _Listed]:
        """The file's own name for the image, and what it says of it."""
        if image.image_id in self._images:
            return image.image_id, self._images[image.image_id]
        names = self._names.get(PurePosixPath(image.image_id).name, ())
        if not names:
            raise MaskProblem(MISSING, f"{self._file} has no image {image.image_id}")
        if len(names) > 1:
            raise MaskProblem(
                AMBIGUOUS,
                f"{' and '.join(names)} of {self._file} could be this one; give file_name as the "
                "path relative to the dataset's root",
            )
        return names[0], self._images[names[0]]

    def fingerprint(self) -> str:
        """The file's path, size and mtime when it was read, and the categories."""
        return self._stamp


def _content(path: Path) -> dict[str, Any]:
    """The file's JSON object, its images, annotations and categories checked for their keys."""
    try:
        content: dict[str, Any] = {"categories": [], **json.loads(path.read_bytes())}
        for key, names in _KEYS.items():
            for item in content[key]:
                if not all(isinstance(item[name], int | str) for name in names):
                    raise TypeError(f"{key} have {' and '.join(names)} that are no number or text")
    # RecursionError: brackets nested without end.
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as exc:
        raise ConfigError(
            "not a COCO annotation file",
            where=f"masks.file={shown(path)}",
            expected="JSON with images and annotations",
            got=f"no key {exc}" if isinstance(exc, KeyError) else reason(exc),
        ) from exc
    return content


def _wanted(
    content: dict[str, Any], categories: Sequence[str | int] | None
) -> tuple[int, ...] | None:
    """The ids of the categories that count as object, None for all."""
    if categories is None:
        return None
    listed = [categories] if isinstance(categories, str | int) else list(categories)
    known = {item["id"]: item["name"] for item in content.get("categories", [])}
    unknown = [item for item in listed if item not in [*known, *known.values()]]
    if unknown or not listed:
        raise ConfigError(
            "no such category in the COCO file",
            where="masks.categories",
            expected=f"some of {', '.join(f'{name} ({key})' for key, name in known.items())}",
            got=unknown or "none",
        )
    return tuple(key for key, name in known.items() if key in listed or name in listed)


def _listed(
    content: dict[str, Any], wanted: tuple[int, ...] | None, file: str
) -> dict[str, _Listed]:
    """Every image of the file under its name."""
    shapes: dict[Any, list[tuple[bool, Any]]] = {item["id"]: [] for item in content["images"]}
    strays = 0
    for note in content["annotations"]:
        if note["image_id"] not in shapes:
            strays += 1
        elif wanted is None or note.get("category_id") in wanted:
            shape = (bool(note.get("iscrowd")), note.get("segmentation") or _box(note.get("bbox")))
            shapes[note["image_id"]].append(shape)
    if strays:
        log.warning("%d annotations of %s belong to no image of it", strays, file)
    if len(shapes) < len(content["images"]):
        raise DatasetError("a COCO file gives two images one id", where=file)
    listed: dict[str, _Listed] = {}
    for item in content["images"]:
        name = as_image_id(str(item["file_name"]))
        if name in listed:
            raise DatasetError("a COCO file names an image twice", where=file, got=name)
        # As text, compressed, an annotation takes a tenth of the memory of its lists of floats.
        packed = zlib.compress(json.dumps(shapes[item["id"]]).encode(), 1)
        listed[name] = _Listed(_size(item), packed)
    return listed


def _box(bbox: Any) -> object:  # noqa: ANN401 - a stranger's JSON
    """The polygon of a box x, y, width, height; as it is where it is none."""
    try:
        x, y, width, height = bbox
        return [[x, y, x + width, y, x + width, y + height, x, y + height]]
    except (TypeError, ValueError):
        return bbox


def _size(item: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) where the image's entry gives them."""
    height, width = item.get("height"), item.get("width")
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    return None
