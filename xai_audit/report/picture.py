"""The pictures of a report: planned from tables, named by a hash of their content, drawn later.

Why by content: a file that has the name is the right picture, so nothing else needs to be noted
about it. A changed threshold draws only the pictures that are new, a page can link to pictures
before they are drawn, and a browser never shows an old one from its cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.report.overlay import Look, drawn_size
from xai_audit.run.paths import safe_name

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.report.transplanted import Transplanted

# Raised whenever the same motif is drawn differently, so that every picture is drawn anew.
DRAWING = 2
# Side of a drawn mean map, px.
MAP_SIDE = 168


@dataclass(frozen=True)
class Photo:
    """A photo of the dataset as the manifest has it.

    Attributes:
        image_id: of the photo.
        class_name: of the photo.
        width: after EXIF orientation, px; 0 where unknown.
        height: likewise.
        stamp: size in bytes and mtime in ns of its file.
        path: of the file, None where the dataset's root is unknown. Not part of a picture's name:
            a dataset may move.
    """

    image_id: str
    class_name: str
    width: int
    height: int
    stamp: tuple[int, int]
    path: Path | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Cells:
    """A map (height, width) on a grid, its values as the bytes of float32."""

    height: int
    width: int
    values: bytes

    @classmethod
    def of(cls, values: object, height: float, width: float) -> Cells:
        """The flat ``values`` of a table's row on its grid."""
        return cls(int(height), int(width), np.asarray(values, np.float32).tobytes())

    @property
    def array(self) -> NDArray[np.float32]:
        """(height, width)."""
        return np.frombuffer(self.values, np.float32).reshape(self.height, self.width)


@dataclass(frozen=True)
class Overlay:
    """A photo under a heatmap.

    Attributes:
        photo: drawn below.
        look: of the overlay.
        method: of the heatmap that is drawn; None: none of the attributions.
        kind: target kind of that heatmap.
        heatmap: a hash of it; None where there is none.
        cells: a map drawn in place of an attribution.
        masks: fingerprint of the masks that outline the object; None: no outline is drawn.
    """

    photo: Photo
    look: Look
    method: str | None = None
    kind: str | None = None
    heatmap: str | None = None
    cells: Cells | None = None
    masks: str | None = None


@dataclass(frozen=True)
class Spotlight:
    """A photo with a cue's region as it is and all else dimmed.

    Attributes:
        photo: that is drawn.
        look: places the model's view; of its border nothing is drawn.
        cue: name of the cue.
        share: width of its region as a share of the photo's shorter side, None for others.
        cells: the region of a discovered cue on the heatmap's grid, None for others.
        masks: fingerprint of the masks where the region is all but the object, else None.
    """

    photo: Photo
    look: Look
    cue: str
    share: float | None = None
    cells: Cells | None = None
    masks: str | None = None

    @property
    def has_region(self) -> bool:
        """Whether the cue is a region of the photo, and not a property of all of it."""
        return (self.share, self.cells, self.masks) != (None, None, None)


@dataclass(frozen=True)
class MeanMap:
    """A mean heatmap over mid-grey, with the outline of ``region`` where that is given."""

    cells: Cells
    region: Cells | None = None


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes:
        file: relative to the report's folder; the name carries a hash of all that is drawn.
        class_name: its pictures are drawn together.
        width: px.
        height: px.
        motif: what it shows.
    """

    file: str
    class_name: str
    width: int
    height: int
    motif: Overlay | Spotlight | Transplanted | MeanMap


@dataclass(frozen=True)
class Shown:
    """A picture with the words under it.

    Attributes:
        picture: of the photo.
        image_id: of the photo.
        headline: class and prediction, or what the picture shows.
        right: whether the prediction is right, None where that is unknown or not said.
        lines: what was measured, a line each.
    """

    picture: Picture
    image_id: str
    headline: str
    right: bool | None
    lines: tuple[str, ...]


def photo_picture(folder: str, motif: Overlay | Spotlight, name: str | None = None) -> Picture:
    """The picture of a photo in ``folder``, called ``name`` or as the photo is.

    Args:
        folder: relative to the report's folder.
        motif: what is drawn.
        name: the readable part of the file's name.
    """
    photo = motif.photo
    stem = photo.image_id.rsplit("/", 1)[-1].rsplit(".", 1)[0] if name is None else name
    width, height = drawn_size(photo.width, photo.height, motif.look.tile)
    file = f"{folder}/{safe_name(stem)[:60]}-{digest(DRAWING, motif)}.jpg"
    return Picture(file, photo.class_name, width, height, motif)


def map_picture(folder: str, motif: MeanMap, *, class_name: str, name: str) -> Picture:
    """The picture of a mean map in ``folder``, called ``name``."""
    file = f"{folder}/{safe_name(name)[:60]}-{digest(DRAWING, motif)}.png"
    return Picture(file, class_name, MAP_SIDE, MAP_SIDE, motif)


def class_folder(class_name: str) -> str:
    """The name of a class's folder: readable, safe, and no other class's."""
    return f"{safe_name(class_name)[:60]}-{digest(class_name)}"


def digest(*parts: object) -> str:
    """Ten hex digits that differ where the ``repr`` of ``parts`` differs."""
    text = "\0".join(part if isinstance(part, str) else repr(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


@dataclass(frozen=True)
class ReportSettings:
    """The number and size of the pictures, and the masks that they show.

    Attributes:
        per_reason: images per class and reason.
        tile: shorter side of a photo in a picture, px.
        seed: draws the unflagged images shown for comparison.
        masks: fingerprint of the object masks; pictures with masks of another one are drawn anew.
        redact: whether home folders and tokens are replaced.
        explore_images: photos with a picture on the page that explores all.
    """

    per_reason: int
    tile: int
    seed: int
    masks: str = ""
    redact: bool = True
    explore_images: int = 0
