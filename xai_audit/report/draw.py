"""The pictures of one class drawn and saved: those that are not there yet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from xai_audit.errors import ImageProblem
from xai_audit.report.heat import paint
from xai_audit.report.material import read_heatmaps
from xai_audit.report.overlay import draw
from xai_audit.report.picture import MAP_SIDE, MeanMap, Overlay
from xai_audit.report.spotlight import lit
from xai_audit.report.transplanted import Transplanted
from xai_audit.run.files import replacing
from xai_audit.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.report.gallery import Key
    from xai_audit.report.picture import Picture, Spotlight
    from xai_audit.run.reader import Run
    from xai_audit.vision.opening import Opener

    MaskOf = Callable[[str], NDArray[np.generic] | None]
    ViewOf = Callable[[Transplanted], Image.Image | None]

log = logging.getLogger(__name__)

_QUALITY = 88
_GREY = (128, 128, 128)
_OUTLINE = ((20, 20, 20), 4), ((250, 250, 250), 2)


def draw_pictures(
    run: Run,
    pictures: Iterable[Picture],
    mask_of: MaskOf,
    folder: Path,
    opener: Opener | None = None,
    view_of: ViewOf | None = None,
) -> int:
    """The number of pictures drawn: those of ``pictures`` that ``folder`` lacks.

    What is drawn depends on the pictures alone, and each appears whole or not at all, so several
    processes may draw at once. A photo that cannot be read has no file; the page says so.

    Args:
        run: with its heatmaps.
        pictures: of one class, or of a few.
        mask_of: image_id -> the object (H, W) in the upright photo, bool or uint8, or None; may
            raise MaskProblem.
        folder: of the report.
        opener: the dataset's, which reads its photos; None for local files.
        view_of: gives the model's view of a changed photo, None where it cannot be made; without
            it such pictures are not drawn.

    Raises:
        OutputError: the heatmaps cannot be read.
    """
    missing = [picture for picture in pictures if not (folder / picture.file).is_file()]
    # Of photos with several labels a photo has a heatmap for each.
    several = {p.class_name for p in missing} if run.has("decisions") else {None}
    drawn = 0
    for name in sorted(several, key=str):
        mine = [p for p in missing if name in (None, p.class_name)]
        heatmaps = _heatmaps(run, mine, name)
        for picture in mine:
            if isinstance(picture.motif, Transplanted):
                image = None if view_of is None else view_of(picture.motif)
            else:
                image = _image(picture.motif, heatmaps, mask_of, opener)
            if image is not None:
                _save(image, folder / picture.file)
                drawn += 1
    return drawn


def _save(image: Image.Image, file: Path) -> None:
    with replacing(file) as temporary:
        if file.suffix == ".png":
            image.save(temporary, format="PNG")
        else:
            image.save(temporary, format="JPEG", quality=_QUALITY)


def _heatmaps(
    run: Run, pictures: Iterable[Picture], class_name: str | None
) -> dict[Key, NDArray[np.float32]]:
    """The heatmaps of the attributions that ``pictures`` show."""
    kinds: dict[str, str] = {}
    keys: set[Key] = set()
    for picture in pictures:
        motif = picture.motif
        if isinstance(motif, Overlay) and motif.method is not None and motif.kind is not None:
            kinds[motif.method] = motif.kind
            keys.add((motif.photo.image_id, motif.method))
    return dict(read_heatmaps(run, keys, kinds, class_name=class_name)) if keys else {}


def _image(
    motif: Overlay | Spotlight | MeanMap,
    heatmaps: dict[Key, NDArray[np.float32]],
    mask_of: MaskOf,
    opener: Opener | None,
) -> Image.Image | None:
    """The picture drawn, None where its photo cannot be read."""
    if isinstance(motif, MeanMap):
        return _mean_map(motif)
    mask = None if motif.masks is None else _mask(motif.photo.image_id, mask_of)
    if not isinstance(motif, Overlay):
        return lit(motif, mask, opener)
    heatmap = None if motif.cells is None else motif.cells.array
    if motif.method is not None:
        heatmap = heatmaps.get((motif.photo.image_id, motif.method))
    photo = motif.photo
    return draw(photo.path, heatmap, look=motif.look, mask=mask, opener=opener, size=photo.stamp[0])


def _mask(image_id: str, mask_of: MaskOf) -> NDArray[np.generic] | None:
    """The object's mask, or None: a photo with an unreadable mask is drawn without it."""
    try:
        return mask_of(image_id)
    except ImageProblem as exc:
        log.warning("no mask drawn for %s: %s", image_id, exc)
        return None


def _mean_map(motif: MeanMap) -> Image.Image:
    """The mean map over mid-grey, as heatmaps lie over photos, with its region's outline."""
    square = (MAP_SIDE, MAP_SIDE)
    whole = Geometry(photo=square, resized=square, top=0, left=0, crop=square)
    image = paint(Image.new("RGB", square, _GREY), motif.cells.array, whole)
    if motif.region is not None:
        _outline(image, motif.region.array > 0)
    return image


def _outline(image: Image.Image, region: NDArray[np.bool_]) -> None:
    """Draw the edge of ``region`` (h, w): dark beneath light, to be seen on any colour."""
    padded = np.pad(region, 1)
    rows = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    columns = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    step = np.array([MAP_SIDE / region.shape[1], MAP_SIDE / region.shape[0]])
    edges = [((x, y), (x + 1, y)) for y, x in rows] + [((x, y), (x, y + 1)) for y, x in columns]
    pen = ImageDraw.Draw(image)
    for colour, width in _OUTLINE:
        for ends in edges:
            pen.line([tuple(np.clip(end * step, 1, MAP_SIDE - 2)) for end in ends], colour, width)
